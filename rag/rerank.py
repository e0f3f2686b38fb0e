"""A cross-encoder reads question and passage together: slower and often better. The only module that loads one."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.errors import ModelError
from core.text import compatible, plain
from core.types import Passage
from vector_db.hub import SAFETENSORS, hub_folder
from vector_db.writer import heading_of

_MEND = "set KEBEN_RETRIEVAL__RERANKER to the folder of a CrossEncoder or to its name on the hub, or unset it"


class CrossEncoderReranker:
    """Any `CrossEncoder` of sentence-transformers."""

    def __init__(self, model: str) -> None:
        """Load `model`, a local folder or a name on the hub (seconds). Raises ModelError."""
        folder = _folder(model)
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from safetensors import SafetensorError
        from sentence_transformers import CrossEncoder

        try:
            self._model = CrossEncoder(str(folder), local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"the cross-encoder in {folder} cannot be loaded: {error}",
                mend=_MEND,
            ) from error

    def rerank(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """`passages`, best first, with the model's score; their relevance stays."""
        if not passages:
            return []
        pairs = [(compatible(question), _read(passage)) for passage in passages]
        scores = [float(score) for score in self._model.predict(pairs, show_progress_bar=False)]
        order = sorted(range(len(scores)), key=lambda at: -scores[at])
        return [replace(passages[at], score=round(scores[at], 6)) for at in order]


def _folder(model: str) -> Path:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    try:
        # Most cross-encoders of the hub are plain models of transformers, without modules.json.
        return hub_folder(model, SAFETENSORS, needed="config.json")
    except ModelError as error:
        raise ModelError(f"the cross-encoder {model!r} cannot be had: {error.message}", mend=_MEND) from error


def _read(passage: Passage) -> str:
    heading = heading_of(passage.book.title, passage.chunk.heading_path)
    return compatible(f"{heading}\n{plain(passage.chunk.reading)}")
