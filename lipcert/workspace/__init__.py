"""The workspace: lipcert.toml and attacks/*.toml, what may stand in them, and what `lipcert init` writes."""
