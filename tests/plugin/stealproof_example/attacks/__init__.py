"""Attacks of the example package."""
