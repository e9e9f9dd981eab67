"""Whether a claim holds against the geometry of its own evidence, and against what was claimed before."""
