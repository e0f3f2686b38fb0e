"""`keben doctor`: is everything there that a service needs, and in order?"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from cli.options import Json, print_json

if TYPE_CHECKING:
    from cli.checks.finding import Finding

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look over installation, settings, knowledge bases, models and keys; exit code 1 if there is a fault.

    Nothing is changed, and nothing is downloaded."""
    found = examine()
    faults, warnings = (sum(one.status == status for one in found) for status in ("fault", "warning"))
    if as_json:
        print_json({"ok": not faults, "findings": [asdict(one) for one in found]})
    else:
        print_findings(found)
        print(f"\n{_counted(faults, 'fault')}, {_counted(warnings, 'warning')}")
    if faults:
        raise typer.Exit(1)


def examine() -> "list[Finding]":
    """All that is found, in the order in which it is looked at."""
    from cli.checks import bases, machine, models, service
    from cli.checks.finding import findings
    from core.settings import load_settings

    settings = None

    def load() -> "Iterable[Finding]":
        nonlocal settings
        settings = load_settings()
        return machine.settings_given()

    found = findings("python", machine.python) + findings("packages", machine.packages)
    found += findings("settings", load) + findings("memory", machine.memory)
    if settings is None:
        return found
    for check, look in (
        ("data_dir", machine.storage),
        ("knowledge base", bases.bases),
        ("embedder", models.embedder),
        ("reranker", models.reranker),
        ("language model", models.language_model),
        ("ocr", machine.ocr),
        ("programs", machine.programs),
        ("keys", service.keys),
        ("port", service.port),
    ):
        found += findings(check, lambda look=look: look(settings))  # type: ignore[misc]
    return found


def print_findings(found: "Iterable[Finding]") -> None:
    """A line for each, what to do about it below."""
    lines = list(found)
    width = max(len(one.name) for one in lines)
    for one in lines:
        print(f"{one.status:<7}  {one.name:<{width}}  {one.what}")
        if one.mend:
            print(f"{'':<7}  {'':<{width}}  → {one.mend}")


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
