"""Data sets, one file each, and the reader of a user's own data."""
