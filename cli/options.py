"""Options that several commands share, and how they print for programs."""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

Kb = Annotated[str | None, typer.Option("--kb", metavar="NAME", help="Knowledge base; 'default' if left out.")]
Books = Annotated[
    list[str] | None,
    typer.Option("--book", metavar="NAME", help="Search this book alone, by title or file; may be given again."),
]
Subjects = Annotated[
    list[str] | None,
    typer.Option("--subject", metavar="NAME", help="Search the books of this subject alone; may be given again."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


class AnswerMode(StrEnum):
    """As `core.types.Mode`."""

    grounded = "grounded"
    tutor = "tutor"
    exam = "exam"


class Bits(StrEnum):
    """As `core.settings.LlmSettings.bits`."""

    four = "4"
    eight = "8"


def print_json(value: Any) -> None:
    """Chinese stays as it is."""
    print(json.dumps(value, ensure_ascii=False, indent=2), flush=True)
