"""Norms as values; proved operator norms and, apart from them, estimates."""
