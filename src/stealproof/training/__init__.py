"""The training loop and its recipe; nothing published lives here."""
