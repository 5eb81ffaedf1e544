"""What a user names on the command line or in a study, opened: data sets, models, oracles."""
