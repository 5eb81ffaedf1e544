"""What the malicious do: clients who extract, suspects who erase, accusers who frame."""
