"""Options that several commands share, and how they print for programs."""

import json
from typing import Annotated, Any

import typer

Kb = Annotated[str | None, typer.Option("--kb", metavar="NAME", help="Knowledge base; 'default' if left out.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


def print_json(value: Any) -> None:
    """Chinese stays as it is."""
    print(json.dumps(value, ensure_ascii=False, indent=2), flush=True)
