"""`keben finetune dataset`. Heavy modules are imported inside, so that help is instant."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Json, print_json
from core.errors import ConfigError

if TYPE_CHECKING:
    from finetune.dataset.build import DatasetReport
    from finetune.dataset.found import Found

_SHOWN = 5  # reasons told for a source; dataset.json has all

Sources = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="SOURCE…", help="Files of questions (xlsx, csv, json, jsonl, txt, docx, pdf, …) or folders."
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder to write; a data set there is replaced.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="WHAT=NAME", help="Column that holds it, as question=题目 or answer=答案."),
]
Template = Annotated[
    str | None, typer.Option("--template", metavar="TEXT", help="Question out of columns, as 关于{章}的问题，{题目}")
]
System = Annotated[str, typer.Option("--system", metavar="TEXT", help="System prompt of rows that bring none.")]
Name = Annotated[
    str | None, typer.Option("--identity", metavar="NAME", help="Add rows in which the model says that it is NAME.")
]
Author = Annotated[str, typer.Option("--identity-author", metavar="NAME", help="Who made it, by those rows.")]
Copies = Annotated[int | None, typer.Option("--identity-copies", min=1, help="How many of those rows; 60 if left out.")]
Kb = Annotated[
    str | None, typer.Option("--kb", metavar="NAME", help="Add the books of this knowledge base as running text.")
]
BooksOfKb = Annotated[
    list[str] | None,
    typer.Option("--book", metavar="NAME", help="With --kb: this book alone, by title or file; may be given again."),
]
HoldBack = Annotated[
    list[str] | None,
    typer.Option("--hold-back", metavar="TITLE", help="With --kb: keep this chapter for the test; may be given again."),
]
Longest = Annotated[
    int | None, typer.Option("--max-characters", help="With --kb: longest piece of text; 2000 if left out.")
]
Share = Annotated[float, typer.Option("--test-share", help="Share of the questions kept for the test.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same split.")]


def dataset(
    out: Out,
    sources: Sources = None,
    column: Columns = None,
    template: Template = None,
    system: System = "",
    identity: Name = None,
    author: Author = "",
    copies: Copies = None,
    kb: Kb = None,
    book: BooksOfKb = None,
    hold_back: HoldBack = None,
    max_characters: Longest = None,
    test_share: Share = 0.3,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Make a data set to train on out of question banks, exam papers, feedback and textbooks.

    Writes train.jsonl and test.jsonl, near duplicates on one side, and dataset.json, which names every row left out.
    """
    from finetune.dataset.build import build_dataset
    from finetune.dataset.settings import dataset_settings

    _needs("--identity", identity, {"--identity-author": author, "--identity-copies": copies})
    _needs("--kb", kb, {"--book": book, "--hold-back": hold_back, "--max-characters": max_characters})
    shared = {"columns": _columns(column or ()), "template": template, "system": system}
    values: dict[str, Any] = {"out": out, "test_share": test_share, "seed": seed}
    values["sources"] = [{"path": path, **shared} for path in sources or ()]
    if identity is not None:
        values["identity"] = {"name": identity, "author": author, **_given(copies=copies)}
    if kb is not None:
        named = {"books": book or (), "hold_back": hold_back or ()}
        values["kb"] = {"name": kb, **named, **_given(max_characters=max_characters)}
    report = build_dataset(dataset_settings(**values))
    if as_json:
        print_json({"folder": str(report.folder), **report.to_json()})
    else:
        print("\n".join(_lines(report)))


def _columns(given: Sequence[str]) -> dict[str, str]:
    columns = dict[str, str]()
    for text in given:
        what, equals, name = text.partition("=")
        if not (what.strip() and equals and name.strip()):
            raise ConfigError(f"--column {text}: no WHAT=NAME", mend="write it as --column question=题目")
        columns[what.strip()] = name.strip()
    return columns


def _given(**values: int | None) -> dict[str, int]:
    return {name: value for name, value in values.items() if value is not None}


def _needs(option: str, value: str | None, others: dict[str, object]) -> None:
    useless = [name for name, given in others.items() if given]
    if value is None and useless:
        raise ConfigError(f"{useless[0]} does nothing without {option}", mend=f"add {option} NAME")


def _lines(report: "DatasetReport") -> Iterator[str]:
    for found in report.sources:
        yield f"{found.source}: {len(found.kept)} of {found.rows} rows"
        yield from _reasons(found)
    for kind, sides in report.kinds.items():
        yield f"{kind}: {sides['train']} to train on, {sides['test']} to test on"
    counts = f"{report.train} to train on, {report.test} to test on"
    yield f"{report.folder}: {counts}; fingerprint {report.fingerprint[:12]}"


def _reasons(found: "Found") -> Iterator[str]:
    for name, listed in (("left out", found.left_out), ("no row", found.outside)):
        yield from (f"  {name}: {one.where}: {one.reason}" for one in listed[:_SHOWN])
        if len(listed) > _SHOWN:
            yield f"  {name}: {len(listed) - _SHOWN} more, all in dataset.json"
