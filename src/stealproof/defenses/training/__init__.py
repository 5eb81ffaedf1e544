"""Training defenses: what acts through the hooks of one training run. One file a published defense."""
