"""The parts of `benchmarks/retrieval.py`: sets, the systems that rank, the tables."""
