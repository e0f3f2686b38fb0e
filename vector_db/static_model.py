"""Static embeddings: a text's vector is the mean of its tokens' vectors. Needs numpy and a tokenizer, no torch.

A folder as sentence-transformers saves a model whose only module is a `StaticEmbedding`, with the weights as they are
or in 8 bits: then `embedding.int8` holds the rows, shape (tokens, dimension), and `embedding.scale` what each is to be
multiplied by.
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
from vector_db.token_counter import TokenCounter

_MODULE = "0_StaticEmbedding"
WEIGHTS, TOKENIZER, FORM = "model.safetensors", "tokenizer.json", "keben.json"
_MODULES = [
    {
        "idx": 0,
        "name": "0",
        "path": _MODULE,
        "type": "sentence_transformers.sentence_transformer.modules.static_embedding.StaticEmbedding",
    }
]
_BATCH = 256


def is_static(folder: Path) -> bool:
    """Whether the only module of the model in `folder` is a `StaticEmbedding`. Raises ModelError."""
    return [kind for kind, _ in _modules(folder)] == ["StaticEmbedding"]


def static_module(folder: Path) -> Path:
    """Where the files of a static model's module lie, which may be `folder` itself."""
    return folder / _modules(folder)[0][1]


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Class and place of each module."""
    path = folder / "modules.json"
    try:
        modules = json.loads(path.read_text(encoding="utf-8"))
        return [(str(module["type"]).rsplit(".", 1)[-1], str(module.get("path", ""))) for module in modules]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} cannot be read: {error}", mend="check the model folder") from error


def read_weights(folder: Path) -> Vectors:
    """The vector of every token, shape (tokens, dimension); raises ModelError."""
    path = static_module(folder) / WEIGHTS
    try:
        tensors: dict[str, NDArray[Any]] = load_file(path)
        if "embedding.int8" in tensors:
            return tensors["embedding.int8"] * tensors["embedding.scale"].astype(np.float32)[:, None]
        return np.asarray(tensors["embedding.weight"], dtype=np.float32)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"the weights in {path} cannot be read: {error!r}", mend="check the model folder") from error


def write_static(folder: Path, tokenizer: str, weights: Vectors, form: Mapping[str, object]) -> None:
    """Save a model in 8 bits. tokenizer: tokenizer.json. form: what keben.json says, see `TokenCounter`."""
    (folder / _MODULE).mkdir(parents=True, exist_ok=True)
    scale = (np.abs(weights).max(axis=1) / 127).astype(np.float16)
    scale[scale == 0] = np.float16(1e-7)
    rows = np.clip(np.rint(weights / scale.astype(np.float32)[:, None]), -127, 127).astype(np.int8)
    save_file({"embedding.int8": rows, "embedding.scale": scale}, folder / _MODULE / WEIGHTS)
    (folder / _MODULE / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    (folder / "modules.json").write_text(json.dumps(_MODULES, indent=1), encoding="utf-8")
    (folder / FORM).write_text(json.dumps(form, ensure_ascii=False, indent=1), encoding="utf-8")


class StaticEmbedder(Embedder):
    """Loads in a fraction of a second, and embeds thousands of passages in one."""

    def __init__(self, settings: EmbeddingSettings, folder: Path, revision: str) -> None:
        """Load the model in `folder`; raises ModelError."""
        from tokenizers import Tokenizer

        self.name, self.revision = settings.model, revision
        self._weights = read_weights(folder)
        self._counter = TokenCounter(folder)
        self._tokenizer: Any = Tokenizer.from_file(str(static_module(folder) / TOKENIZER))
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
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            batch = [self._counter.form(text) for text in texts[start : start + _BATCH]]
            for row, one in enumerate(self._tokenizer.encode_batch_fast(batch, add_special_tokens=False), start):
                if one.ids:
                    vectors[row] = self._weights[one.ids].sum(axis=0)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As `encode`: a mean of words does not know a question from a passage."""
        return self.encode(texts)

    def unknown_rate(self, text: str) -> float:
        """Share of tokens of `text` that the embedder does not know."""
        return self._counter.unknown_rate(text)
