"""Regions: groups of operations that are bounded as a whole."""
