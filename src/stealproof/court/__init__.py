"""The court: dossiers judged step by step, verdicts that both sides can replay, and what stops a liar."""
