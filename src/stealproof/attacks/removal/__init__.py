"""Removal attacks: a malicious suspect washes the evidence off a stolen model. One file a published attack."""
