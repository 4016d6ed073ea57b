"""Who may look, and what is refused before a page is even thought of."""
