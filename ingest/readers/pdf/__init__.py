"""The PDF reader: `reader` drives, `file` and `chars` ask pdfium, the others are pure functions on lines."""

from ingest.readers.pdf.reader import read_pdf

__all__ = ["read_pdf"]
