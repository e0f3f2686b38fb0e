"""Embedders: what turns texts into vectors, where its model lies, and which kind a model needs."""

import hashlib
import re
from abc import abstractmethod
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from core.errors import ModelError
from core.settings import EmbeddingSettings
from vector_db.instructions import instructions

if TYPE_CHECKING:
    from vector_db.static_model import StaticEmbedder

BUNDLED = "keben-zh-en"
_BUNDLED_FOLDER = Path(__file__).parent / "bundled_embedder"
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_GRAPHS = {"onnx": "onnx/model.onnx", "openvino": "openvino/openvino_model.xml"}
Vectors = NDArray[np.float32]


class Embedder(Embeddings):
    """Unit vectors, so that the inner product is the cosine; safe to share between threads.

    name: as the settings name the model. revision: as `model_revision`. dimension: length of a vector.
    """

    name: str
    revision: str
    dimension: int

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embeddings of passages, shape (len(texts), dimension), unit length."""

    @abstractmethod
    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Embeddings of questions, shape (len(texts), dimension), unit length."""

    @abstractmethod
    def unknown_rate(self, text: str) -> float:
        """Share of tokens of `text` that the embedder does not know, as in `TokenCounter.unknown_rate`."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """LangChain's form of `encode`."""
        return [[float(x) for x in row] for row in self.encode(texts)]

    def embed_query(self, text: str) -> list[float]:
        """The embedding of one question."""
        return [float(x) for x in self.encode_queries([text])[0]]


@cache
def bundled_embedder() -> "StaticEmbedder":
    """The bundled model, loaded once: besides passages, it knows which words are alike."""
    from vector_db.static_model import StaticEmbedder

    settings = EmbeddingSettings(model=BUNDLED)
    return StaticEmbedder(settings, model_folder(settings), model_revision(settings))


def open_embedder(settings: EmbeddingSettings) -> Embedder:
    """Load the model that the settings name (seconds). Raises ModelError."""
    from vector_db.static_model import StaticEmbedder, is_static

    if settings.model == BUNDLED and settings.query_instruction is settings.document_instruction is None:
        return bundled_embedder()
    folder, revision = model_folder(settings), model_revision(settings)
    if is_static(folder):
        return StaticEmbedder(settings, folder, revision)
    # Imported here: no kind pays for the libraries of another, and the bundled model needs no torch.
    if settings.backend != "torch":
        from vector_db.graph_model import GraphEmbedder

        return GraphEmbedder(settings, folder, revision)
    from vector_db.sentence_model import SentenceEmbedder

    return SentenceEmbedder(settings, folder, revision)


def graph_file(settings: EmbeddingSettings) -> str:
    """The graph that a backend other than torch runs, below the model's folder."""
    return settings.backend_file or _GRAPHS[settings.backend]


def require_vectors(embedder: Embedder, folder: Path) -> None:
    """Raise ModelError unless the embedder in `folder` makes vectors that can be compared."""
    if embedder.dimension < 1:
        raise ModelError(f"the embedder in {folder} has no dimension", mend="name another model")
    if not np.isfinite(embedder.encode(["The book explains it. 这本书里有解释。"])).all():
        raise ModelError(f"the embedder in {folder} makes vectors that are not numbers", mend="check its weights")


def model_folder(settings: EmbeddingSettings) -> Path:
    """Where the model lies; one that is named as on the hub is downloaded if need be. Raises ModelError."""
    if settings.model == BUNDLED:
        return _BUNDLED_FOLDER
    folder = Path(settings.model).expanduser()
    if _HUB_NAME.fullmatch(settings.model) and not folder.exists():
        from vector_db.hub import hub_folder

        return hub_folder(settings.model, _weights(settings))
    if not (folder / "modules.json").is_file():
        raise ModelError(
            f"no sentence-transformers model in {settings.model!r} (modules.json is missing)",
            mend=f"set KEBEN_EMBEDDING__MODEL to '{BUNDLED}', to the folder of a downloaded model or to a name on the "
            "hub, as BAAI/bge-small-zh-v1.5",
        )
    return folder


def model_revision(settings: EmbeddingSettings) -> str:
    """A fingerprint of all that the vectors of passages depend on: 12 hex digits.

    That is the model's files (names, sizes, small files' contents) and what is written before a passage. Cheap enough
    to compare on every start, without loading the model.
    """
    folder = model_folder(settings)
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in {".json", ".txt", ".safetensors", ".model"}:
            digest.update(f"{path.relative_to(folder)}:{path.stat().st_size}".encode())
            if path.stat().st_size < 2**20:
                digest.update(path.read_bytes())
    if settings.backend_file:
        size = sum(path.stat().st_size for path in folder.glob(_with_weights(settings.backend_file)))
        digest.update(f"{settings.backend_file}:{size}".encode())
    digest.update(instructions(settings, folder).passage.encode())
    return digest.hexdigest()[:12]


def _weights(settings: EmbeddingSettings) -> str:
    """Pattern of the large files that the model cannot do without."""
    return "*.safetensors" if settings.backend == "torch" else _with_weights(graph_file(settings))


def _with_weights(graph: str) -> str:
    """A graph, and the file beside it that may hold its numbers: model.onnx_data, openvino_model.bin."""
    return f"{graph.rpartition('.')[0]}.*"
