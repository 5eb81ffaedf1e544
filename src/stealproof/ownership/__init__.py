"""Ownership schemes: watermarks and fingerprints, one file each."""
