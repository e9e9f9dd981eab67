"""Semantic sampling: one core in plain torch, a table of neighbours, and thin adapters for who decodes."""
