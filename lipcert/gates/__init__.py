"""Rules that a model is held to: what is read or computed for each, whether it holds, and how CI is told."""
