"""A whole rebuild that notes which texts were embedded: `python recorded_rebuild.py TEXTS`, settings by environment.

Writes {"texts", "batch_size", "model"} as JSON to TEXTS.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.settings import load_settings
from ingest.rebuild import rebuild
from vector_db.embedder import SentenceEmbedder, model_folder


def main(target: Path) -> None:
    """Rebuild and write the texts."""
    texts: list[str] = []
    encode = SentenceEmbedder.encode

    def recorded(self: SentenceEmbedder, those: Sequence[str], *more: Any, **options: Any) -> Any:
        texts.extend(those)
        return encode(self, those, *more, **options)

    setattr(SentenceEmbedder, "encode", recorded)  # noqa: B010
    settings = load_settings()
    report = rebuild(settings, settings.kb)
    model = {"model": str(model_folder(settings.embedding)), "batch_size": settings.embedding.batch_size}
    target.write_text(json.dumps({"texts": texts, **model}), encoding="utf-8")
    print(json.dumps({"chunks": report.chunks, "failed": report.failed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
