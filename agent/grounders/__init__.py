"""Grounders that need a chat model, found by the tools' registry through an entry point (pyproject.toml)."""
