"""Parses one file in the sandbox: `python parse_one.py FILE`; prints pages and characters as JSON."""

import json
import sys
from pathlib import Path

from core.settings import load_settings
from ingest.sandbox import parse_in_sandbox

if __name__ == "__main__":
    book = parse_in_sandbox(Path(sys.argv[1]), load_settings().ingest)
    print(json.dumps({"pages": len(book.pages), "characters": len(book.text)}))
