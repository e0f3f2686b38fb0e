"""Examinations with known answers: of language models, of the knowledge base, and of chance."""
