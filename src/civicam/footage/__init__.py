"""Sealed, durable bytes: segment files, keys and volumes."""
