"""Architectures, one file a family, and the reader and writer of model files."""
