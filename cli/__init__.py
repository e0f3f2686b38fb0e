"""The `keben` command."""
