"""One file per segmenter: a `CARD`, and `load(recipe, model)`, which gives a `Segmenter`."""
