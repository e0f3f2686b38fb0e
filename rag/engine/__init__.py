"""The chat model that this machine runs itself."""
