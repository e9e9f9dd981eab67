"""How pocket-locator is trained: batches, losses, validation, the training command."""
