"""Looking up knowledge and a user's own cases, as references for a question (extra: retrieval)."""
