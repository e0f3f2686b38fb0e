"""What `benchmarks/citations.py` is made of."""
