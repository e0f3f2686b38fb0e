"""A whole rebuild that notes which texts were embedded: `python recorded_rebuild.py TEXTS`, settings by environment.

Writes {"texts", "batch_size", "model"} as JSON to TEXTS.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from core.settings import EmbeddingSettings, load_settings
from ingest import vectors
from ingest.rebuild import rebuild
from vector_db.embedder import Embedder, Vectors, model_folder, open_embedder


def main(target: Path) -> None:
    """Rebuild and write the texts."""
    texts: list[str] = []

    def opened(settings: EmbeddingSettings) -> Embedder:
        embedder = open_embedder(settings)
        encode = embedder.encode

        def recorded(those: Sequence[str]) -> Vectors:
            texts.extend(those)
            return encode(those)

        setattr(embedder, "encode", recorded)  # noqa: B010
        return embedder

    setattr(vectors, "open_embedder", opened)  # noqa: B010
    settings = load_settings()
    report = rebuild(settings, settings.kb)
    model = {"model": str(model_folder(settings.embedding)), "batch_size": settings.embedding.batch_size}
    target.write_text(json.dumps({"texts": texts, **model}), encoding="utf-8")
    print(json.dumps({"chunks": report.chunks, "failed": report.failed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
