"""The bundled embedder, made from texts and a dictionary, and any embedder adapted to the user's own books."""
