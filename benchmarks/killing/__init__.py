"""The parts of `benchmarks/kill.py`."""
