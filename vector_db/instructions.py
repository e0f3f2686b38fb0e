"""What a model wants written before questions and before passages."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import ModelError
from core.settings import EmbeddingSettings

_CONFIG = "config_sentence_transformers.json"
_QUERY, _PASSAGE = ("query",), ("document", "passage", "corpus")


@dataclass(frozen=True, slots=True)
class Instructions:
    """query: before each question. passage: before each passage. Either may be empty."""

    query: str = ""
    passage: str = ""


# As the cards of the models give them. Models that are not here want none, or say so in their folder.
_DOCUMENTED = {
    r"bge-(small|base|large)-zh(-v1\.5)?": Instructions("为这个句子生成表示以用于检索相关文章："),
    r"bge-(small|base|large)-en(-v1\.5)?": Instructions("Represent this sentence for searching relevant passages: "),
    r"(multilingual-)?e5-(small|base|large)(-v2)?": Instructions("query: ", "passage: "),
    r"multilingual-e5-large-instruct": Instructions(
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
    ),
}


def instructions(settings: EmbeddingSettings, folder: Path) -> Instructions:
    """Those of the settings, else those in the model's folder, else those documented for a model of this name.

    Raises ModelError when the folder's cannot be read.
    """
    # What sentence-transformers writes for a model that has none says nothing: two empty ones.
    usual = _of_folder(folder) or _documented(settings.model)
    query, passage = settings.query_instruction, settings.document_instruction
    return Instructions(usual.query if query is None else query, usual.passage if passage is None else passage)


def _of_folder(folder: Path) -> Instructions | None:
    file = folder / _CONFIG
    if not file.is_file():
        return None
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        prompts: Mapping[str, str | None] = config.get("prompts") or {}
        default = prompts.get(config.get("default_prompt_name") or "")
        query, passage = (
            next((prompts[name] for name in names if name in prompts), default) or "" for names in (_QUERY, _PASSAGE)
        )
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ModelError(
            f"the instructions of the embedder in {folder} cannot be read: {error}", mend=f"check its {_CONFIG}"
        ) from error
    return Instructions(query, passage) if query or passage else None


def _documented(model: str) -> Instructions:
    """`model` may be a name on the hub, a folder, or a folder of the hub's cache."""
    names = re.split(r"[/\\]|--", model.lower())
    found = (wanted for pattern, wanted in _DOCUMENTED.items() for name in names if re.fullmatch(pattern, name))
    return next(found, Instructions())
