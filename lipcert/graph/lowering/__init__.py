"""Exported ATen operations to core operations: a table, one file a family."""
