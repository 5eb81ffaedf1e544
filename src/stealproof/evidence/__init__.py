"""Canonical bytes and what is built on them; no deep-learning framework is imported in here."""
