"""Opens a knowledge base and searches it: `python open_and_ask.py QUESTIONS`, settings by environment.

QUESTIONS is a JSON list; prints seconds to open and load, and milliseconds for the first and for each question.
"""

import json
import sys
import time
from contextlib import closing
from pathlib import Path

from core.settings import load_settings
from rag.build import build_answerer, build_embedder
from vector_db.library import open_knowledge_base


def main(questions: list[str]) -> None:
    """Open, then ask one after the other."""
    settings = load_settings()
    started = time.monotonic()
    with closing(open_knowledge_base(settings, settings.kb)) as base:
        opened = time.monotonic()
        answerer = build_answerer(settings, build_embedder(settings, [base]))
        loaded = time.monotonic()
        took: list[float] = []
        for question in questions:
            begun = time.monotonic()
            answerer.search(base, question)
            took.append(1000 * (time.monotonic() - begun))
    print(json.dumps({"open": opened - started, "load": loaded - opened, "first": took[0], "each": sorted(took[1:])}))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
