"""Static embeddings: a text's vector is the mean of its tokens' vectors. Needs numpy and a tokenizer, no torch.

A folder as sentence-transformers or model2vec saves a model whose only module is a `StaticEmbedding`, with the weights
as they are or in 8 bits: then `embedding.int8` holds the rows, shape (tokens, dimension), and `embedding.scale` what
each is to be multiplied by.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from core.errors import ModelError
from core.settings import EmbeddingSettings
from vector_db.embedder import Embedder, Vectors, require_vectors
from vector_db.instructions import instructions
from vector_db.token_counter import TokenCounter

MODULE = "0_StaticEmbedding"
WEIGHTS, TOKENIZER, FORM = "model.safetensors", "tokenizer.json", "keben.json"
_MODULES = [
    {
        "idx": 0,
        "name": "0",
        "path": MODULE,
        "type": "sentence_transformers.sentence_transformer.modules.static_embedding.StaticEmbedding",
    }
]
_BATCH = 256


def is_static(folder: Path) -> bool:
    """Whether the only module of the model in `folder` is a `StaticEmbedding`; raises ModelError."""
    return [kind for kind, _ in _modules(folder)] == ["StaticEmbedding"]


def read_weights(folder: Path) -> Vectors:
    """The vector of every token, shape (tokens, dimension); raises ModelError."""
    ((_, module),) = _modules(folder)
    path = module / WEIGHTS
    try:
        return _rows(load_file(path))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, IndexError) as error:
        raise ModelError(
            f"the weights of the embedder in {folder} cannot be loaded: {path}: {error!r}",
            mend="check the model folder; only safetensors are read",
        ) from error


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """The kind of each module, and where its files lie."""
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        return [(str(module["type"]).rsplit(".", 1)[-1], folder / str(module["path"])) for module in modules]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"the modules of the embedder in {folder} cannot be read: {error!r}", mend="check its modules.json"
        ) from error


def _rows(tensors: Mapping[str, NDArray[Any]]) -> Vectors:
    if "embedding.int8" in tensors:
        return tensors["embedding.int8"] * tensors["embedding.scale"].astype(np.float32)[:, None]
    if "embedding.weight" in tensors:
        return np.asarray(tensors["embedding.weight"], dtype=np.float32)
    # model2vec's form: tokens may share rows, and have weights.
    rows = np.asarray(tensors["embeddings"], dtype=np.float32)
    rows = rows[tensors["mapping"].astype(np.intp)] if "mapping" in tensors else rows
    return rows * tensors["weights"].astype(np.float32)[:, None] if "weights" in tensors else rows


def write_static(folder: Path, tokenizer: str, weights: Vectors, form: Mapping[str, object]) -> None:
    """Save a model in 8 bits. tokenizer: tokenizer.json. form: what keben.json says, see `TokenCounter`."""
    (folder / MODULE).mkdir(parents=True, exist_ok=True)
    scale = (np.abs(weights).max(axis=1) / 127).astype(np.float16)
    scale[scale == 0] = np.float16(1e-7)
    rows = np.clip(np.rint(weights / scale.astype(np.float32)[:, None]), -127, 127).astype(np.int8)
    save_file({"embedding.int8": rows, "embedding.scale": scale}, folder / MODULE / WEIGHTS)
    (folder / MODULE / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    (folder / "modules.json").write_text(json.dumps(_MODULES, indent=1), encoding="utf-8")
    (folder / FORM).write_text(json.dumps(form, ensure_ascii=False, indent=1), encoding="utf-8")


class StaticEmbedder(Embedder):
    """Loads in a fraction of a second, and embeds thousands of passages in one."""

    def __init__(self, settings: EmbeddingSettings, folder: Path, revision: str) -> None:
        """Load the model in `folder`; raises ModelError."""
        self.name, self.revision = settings.model, revision
        self._weights = read_weights(folder)
        self._counter = TokenCounter(folder)
        self._tokenizer = self._counter.tokenizer
        self._instructions = instructions(settings, folder)
        if self._tokenizer.get_vocab_size() != len(self._weights):
            raise ModelError(
                f"the embedder in {folder} has {len(self._weights)} vectors for {self._tokenizer.get_vocab_size()} "
                "tokens",
                mend="check the model folder",
            )
        self.dimension = self._weights.shape[1]
        require_vectors(self, folder)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embeddings of passages, shape (len(texts), dimension), unit length; zeros for a text without tokens."""
        return self._encoded(texts, self._instructions.passage)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As `encode`: but for an instruction, a mean of words does not know a question from a passage."""
        return self._encoded(texts, self._instructions.query)

    def _encoded(self, texts: Sequence[str], instruction: str) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            batch = [instruction + self._counter.form(text) for text in texts[start : start + _BATCH]]
            for row, one in enumerate(self._tokenizer.encode_batch_fast(batch, add_special_tokens=False), start):
                if one.ids:
                    vectors[row] = self._weights[one.ids].sum(axis=0)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)

    def knows(self, word: str) -> bool:
        """Whether `word` is one token: what is put together from pieces (code + ine) has a vector by chance."""
        return len(self._tokenizer.encode(self._counter.form(word), add_special_tokens=False).ids) == 1

    def unknown_rate(self, text: str) -> float:
        """Share of tokens of `text` that the embedder does not know."""
        return self._counter.unknown_rate(text)
