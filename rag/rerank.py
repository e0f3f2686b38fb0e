"""A cross-encoder reads question and passage together: slower and often better. The only module that loads one."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.errors import ModelError
from core.text import compatible, plain
from core.types import Passage
from vector_db.hub import hub_folder
from vector_db.writer import heading_of


class CrossEncoderReranker:
    """Any `CrossEncoder` of sentence-transformers."""

    def __init__(self, model: str) -> None:
        """Load `model`, a local folder or a name on the hub (seconds). Raises ModelError."""
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from safetensors import SafetensorError
        from sentence_transformers import CrossEncoder

        folder = Path(model).expanduser()
        if not folder.is_dir():
            folder = hub_folder(model, ("*.safetensors",))
        try:
            self._model = CrossEncoder(str(folder), local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"the cross-encoder in {folder} cannot be loaded: {error}",
                mend="set KEBEN_RETRIEVAL__RERANKER to the folder of a CrossEncoder, or unset it",
            ) from error

    def rerank(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """`passages`, best first, with the model's score; their relevance stays."""
        if not passages:
            return []
        pairs = [(compatible(question), _read(passage)) for passage in passages]
        scores = [float(score) for score in self._model.predict(pairs, show_progress_bar=False)]
        order = sorted(range(len(scores)), key=lambda at: -scores[at])
        return [replace(passages[at], score=round(scores[at], 6)) for at in order]


def _read(passage: Passage) -> str:
    heading = heading_of(passage.book.title, passage.chunk.heading_path)
    return compatible(f"{heading}\n{plain(passage.chunk.reading)}")
