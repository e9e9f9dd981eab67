"""The tasks: one file each, a loader for the benchmark's real files with its prompt and published numbers."""
