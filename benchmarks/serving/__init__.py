"""The parts of `benchmarks/serve.py`: a bare service to compare with, clients, and what a process holds."""
