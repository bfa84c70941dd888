"""Keeping footage and catalogue in agreement: check, repair and retention."""
