"""A model exported as a graph, as an embedder: tokenizer, graph and pooling, without torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.errors import ModelError
from core.settings import EmbeddingSettings
from core.text import compatible
from vector_db.embedder import Embedder, Vectors, graph_file, require_vectors
from vector_db.graph import FED, Graph, padded
from vector_db.instructions import instructions
from vector_db.pooling import pooled, read_pooling, unit
from vector_db.token_counter import TokenCounter, load_tokenizer


class GraphEmbedder(Embedder):
    """An exported BERT or a relative of it; gives what its torch model gives, but for rounding."""

    def __init__(self, settings: EmbeddingSettings, folder: Path, revision: str) -> None:
        """Load the graph in `folder` (about a second). Raises ModelError."""
        self._pooling = read_pooling(folder)
        self._graph = _open(settings, folder)
        if self._graph.inputs - FED:
            raise ModelError(
                f"the graph in {folder} wants {', '.join(sorted(self._graph.inputs - FED))}, as no plain encoder does",
                mend="export the model without a cache, or set KEBEN_EMBEDDING__BACKEND to 'torch'",
            )
        self._counter = TokenCounter(folder)
        self._tokenizer, limit = load_tokenizer(folder)
        if limit:
            self._tokenizer.enable_truncation(limit)
        self._instructions = instructions(settings, folder)
        self._batch_size = settings.batch_size
        self.name = settings.model
        self.revision = revision
        self.dimension = self._encoded(["1"], "").shape[1]
        require_vectors(self, folder)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """As `Embedder.encode`."""
        return self._encoded(texts, self._instructions.passage)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As `Embedder.encode_queries`."""
        return self._encoded(texts, self._instructions.query)

    def unknown_rate(self, text: str) -> float:
        """As `Embedder.unknown_rate`."""
        return self._counter.unknown_rate(text)

    def _encoded(self, texts: Sequence[str], instruction: str) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        encoded = self._tokenizer.encode_batch_fast([instruction + compatible(text) for text in texts])
        ids: list[list[int]] = [one.ids for one in encoded]
        # Texts of equal length stand together: they waste nothing on padding.
        order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        batches = [order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)]
        made = np.concatenate([self._batch([ids[row] for row in rows]) for rows in batches])
        vectors = np.empty_like(made)
        vectors[order] = made
        return vectors

    def _batch(self, ids: Sequence[Sequence[int]]) -> Vectors:
        feeds = padded(ids)
        result = self._graph({name: feeds[name] for name in self._graph.inputs})
        return unit(result) if result.ndim == 2 else pooled(self._pooling, result, feeds["attention_mask"])


def _open(settings: EmbeddingSettings, folder: Path) -> Graph:
    file = folder / graph_file(settings)
    if not file.is_file():
        raise ModelError(
            f"the backend '{settings.backend}' needs {file}, which is not there",
            mend=f"export the model with `python -m vector_db.export {folder}`, name another file of the folder in "
            "KEBEN_EMBEDDING__BACKEND_FILE, or set KEBEN_EMBEDDING__BACKEND to 'torch'",
        )
    if settings.backend == "openvino":
        from vector_db.openvino_graph import OpenvinoGraph

        return OpenvinoGraph(file, settings.device)
    from vector_db.onnx_graph import OnnxGraph

    return OnnxGraph(file, settings.device)
