"""Extraction attacks: a malicious client turns answers into a surrogate. One file a published attack."""
