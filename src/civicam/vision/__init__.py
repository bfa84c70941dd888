"""Samples to pixels, where pixels are needed; and what the pixels say of a camera's health."""
