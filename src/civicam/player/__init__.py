"""Footage and live samples to what a browser plays, redacted always."""
