"""The gateway in front of a served model: it turns HTTP into guards and back, and holds no defense of its own."""
