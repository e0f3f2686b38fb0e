"""The parts of `benchmarks/refusal.py`: scores of questions, measures of a threshold, the table."""
