"""Risks: what can go wrong with a model, measured. One file a risk."""
