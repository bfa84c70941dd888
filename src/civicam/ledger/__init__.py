"""Proof of who did what: a public append-only log that nobody alters unseen (docs/design/ledger.md)."""
