"""Embeds texts and nothing else: `python bare_encode.py TEXTS`; prints seconds for loading and for encoding as JSON."""

import json
import os
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"


def main(source: Path) -> None:
    """Load the model and encode; TEXTS is what recorded_rebuild.py wrote."""
    started = time.monotonic()
    from sentence_transformers import SentenceTransformer

    given = json.loads(source.read_text(encoding="utf-8"))
    model = SentenceTransformer(given["model"], local_files_only=True)
    loaded = time.monotonic()
    model.encode(given["texts"], batch_size=given["batch_size"], normalize_embeddings=True, show_progress_bar=False)
    print(json.dumps({"load": loaded - started, "encode": time.monotonic() - loaded}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
