"""Benchmarks of speed and memory: numbers to read, not tests that time out.

Knows the agent and its command.
"""
