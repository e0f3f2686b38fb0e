"""The parts of `benchmarks/search.py`: a served knowledge base, questions about it, clients that ask, the tables."""
