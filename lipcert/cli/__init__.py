"""The `lipcert` command: one file a command; each parses, calls one function, prints."""
