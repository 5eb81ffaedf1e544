"""Pure functions on numbers: agreement, intervals, tests. Nothing else in stealproof does statistics."""
