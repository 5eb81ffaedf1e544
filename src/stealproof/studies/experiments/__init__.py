"""Experiments: what one cell of a study computes. One file each."""
