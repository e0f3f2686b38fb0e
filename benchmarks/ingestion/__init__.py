"""The sections of `benchmarks/ingest.py`, and the small programs that they time in processes of their own."""
