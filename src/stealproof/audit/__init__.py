"""The audit: one report that answers the five questions for one model."""
