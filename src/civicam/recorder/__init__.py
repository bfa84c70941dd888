"""Samples turned into fragments and segments: the life of a camera's recording."""
