"""False claims: a malicious accuser frames independent models. One file a published attack."""
