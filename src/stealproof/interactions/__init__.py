"""Which protections and risks get along, predicted and measured."""
