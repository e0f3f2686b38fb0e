"""Any sentence-transformers model as an embedder. The only module that loads one."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import ModelError
from core.settings import EmbeddingSettings
from core.text import compatible
from vector_db.embedder import Embedder, Vectors, require_vectors
from vector_db.instructions import instructions
from vector_db.token_counter import TokenCounter

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class SentenceEmbedder(Embedder):
    """A model of any architecture that sentence-transformers knows."""

    def __init__(self, settings: EmbeddingSettings, folder: Path, revision: str) -> None:
        """Load the model in `folder` (seconds). Raises ModelError."""
        self._model = load_model(settings, folder)
        # A tokenizer of its own, since one keeps the last call's truncation: threads that encode would lose theirs.
        self._counter = TokenCounter(folder)
        self._instructions = instructions(settings, folder)
        self._batch_size = settings.batch_size
        self.name = settings.model
        self.revision = revision
        self.dimension = int(self._model.get_embedding_dimension() or 0)
        require_vectors(self, folder)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """As `Embedder.encode`."""
        return self._encoded(self._model.encode_document, texts, self._instructions.passage)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As `Embedder.encode_queries`."""
        return self._encoded(self._model.encode_query, texts, self._instructions.query)

    def _encoded(self, encode: Callable[..., Any], texts: Sequence[str], instruction: str) -> Vectors:
        vectors = encode(
            [compatible(text) for text in texts],
            prompt=instruction,
            batch_size=self._batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32).reshape(len(texts), self.dimension)

    def unknown_rate(self, text: str) -> float:
        """As `Embedder.unknown_rate`."""
        return self._counter.unknown_rate(text)


def load_model(settings: EmbeddingSettings, folder: Path) -> "SentenceTransformer":
    """The model in `folder`, without the network and without code of its own. Raises ModelError."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(
            str(folder),
            device=settings.device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"the embedder in {folder} cannot be loaded: {error}", mend=_mend(folder)) from error


def _mend(folder: Path) -> str:
    if any(folder.rglob("*.safetensors")) or not any(folder.rglob("*.bin")):
        return "check the model folder"
    return "only safetensors are read: load the model once with sentence-transformers and save it to another folder"
