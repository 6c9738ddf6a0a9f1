"""The core operations and what is proved of each: a table, one file a family."""
