"""A third-party package of systems for stealproof."""
