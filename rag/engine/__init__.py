"""One language model that many requests share: a process of its own, watched and restarted from here."""
