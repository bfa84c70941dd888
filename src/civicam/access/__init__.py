"""Who may look: people, their rights, cases and grants, and the one decision over them."""
