"""What makes a rebuild embed anew."""

from typing import Any

from core.settings import EmbeddingSettings, Settings
from ingest.rebuild import fingerprint


def of(settings: Settings, **embedding: Any) -> str:
    return fingerprint(settings.model_copy(update={"embedding": EmbeddingSettings(**embedding)}))


def test_another_instruction_of_passages_does(settings: Settings) -> None:
    assert of(settings, document_instruction="passage: ") != of(settings) == of(settings, document_instruction="")


def test_what_passages_do_not_depend_on_does_not(settings: Settings) -> None:
    assert of(settings, query_instruction="query: ", batch_size=8, device="cpu") == of(settings)
