"""Who may look: people, roles, cases, grants (docs/design/access.md)."""
