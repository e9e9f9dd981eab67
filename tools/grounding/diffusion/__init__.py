"""Grounding with the cross-attention of text-conditioned diffusion models: one grounder, several recipes,
several denoisers.
"""
