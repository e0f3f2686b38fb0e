"""From a question to an answer with citations: retrieve, prompts, writers, answer, build."""
