"""Pictures of stored runs: each a function from tables, as they are read back, to a matplotlib figure."""
