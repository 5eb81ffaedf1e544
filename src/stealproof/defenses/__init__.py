"""What protects a model, while it is trained and where it answers."""
