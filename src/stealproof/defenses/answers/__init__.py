"""Guards: what acts at the API. One file a defense; a study and the gateway run the same object."""
