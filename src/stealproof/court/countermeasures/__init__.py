"""What a judge can do so that a false accusation fails, one file each, each at its own price."""
