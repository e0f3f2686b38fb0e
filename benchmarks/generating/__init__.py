"""Parts of `benchmarks/generate.py`."""
