"""One file per grounder: a `CARD`, and `load(recipe, model)`, which gives a `Grounder`."""
