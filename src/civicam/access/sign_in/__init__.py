"""Signing in: showing who one is."""
