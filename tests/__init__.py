"""The tests. A package by its own file: a library that they use installs another one of this name."""
