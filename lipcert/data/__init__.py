"""Labelled examples: what is in a file, read without executing it, checked, with the hash that names it."""
