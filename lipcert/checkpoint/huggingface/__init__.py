"""Folders that transformers saves: config.json and weights. No code of theirs is run, and nothing is downloaded."""
