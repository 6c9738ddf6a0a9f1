"""Model to graph: export, and lowering to the core operations."""
