"""The same function over many items: here, in processes, on a Ray cluster."""
