"""Studies: a TOML file becomes cells, cells become result cards; cached, resumable, in parallel."""
