"""The embedder as other programs may use it: its vectors, its tokens, its age."""

from dataclasses import dataclass
from typing import Self

from core.settings import Settings
from vector_db.embedder import Embedder, model_folder
from vector_db.token_counter import TokenCounter


@dataclass(frozen=True, slots=True)
class Embedding:
    """count: tokens of texts as the embedder reads them. created: when its folder was written, seconds since 1970."""

    embedder: Embedder
    count: TokenCounter
    created: int

    @classmethod
    def of(cls, settings: Settings, embedder: Embedder) -> Self:
        """For the embedder that the settings name, which is loaded; raises ModelError."""
        folder = model_folder(settings.embedding)
        return cls(embedder, TokenCounter(folder), int(folder.stat().st_mtime))
