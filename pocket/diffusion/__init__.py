"""pocket-diffusion: a small text-conditioned latent diffusion model of CT slices, in diffusers' own
layout.
"""
