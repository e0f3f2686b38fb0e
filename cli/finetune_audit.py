"""`keben finetune audit`: what is wrong with a data set. Heavy modules are imported inside, so that help is instant."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, print_json

if TYPE_CHECKING:
    from finetune.audit.report import AuditReport

Data = Annotated[
    list[Path],
    typer.Argument(
        metavar="FOLDER|FILE…", help="A data set with train.jsonl and test.jsonl, or files of rows: JSON, JSON Lines."
    ),
]
Kb = Annotated[
    str | None, typer.Option("--kb", metavar="NAME", help="Hold the answers against the books of this knowledge base.")
]
Exam = Annotated[
    list[Path] | None,
    typer.Option("--exam", metavar="FILE", help="Questions not to train on, JSON Lines; may be given again."),
]
MaxLength = Annotated[
    int, typer.Option("--max-length", min=16, max=1_000_000, help="Tokens of a row that training keeps.")
]
Tokenizer = Annotated[
    Path | None, typer.Option("--tokenizer", metavar="FOLDER", help="Model whose tokens to count; else an estimate.")
]
Near = Annotated[
    float, typer.Option("--near", min=0.1, max=1.0, help="Similarity from which on two rows are near-copies.")
]
Accept = Annotated[
    list[str] | None,
    typer.Option("--accept", metavar="CHECK", help="Let the errors of a check pass; may be given again."),
]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="FOLDER", help="Write a Markdown report with figures.")
]


def audit(
    data: Data,
    kb: Kb = None,
    exam: Exam = None,
    max_length: MaxLength = 2048,
    tokenizer: Tokenizer = None,
    near: Near = 0.8,
    accept: Accept = None,
    report: Report = None,
    as_json: Json = False,
) -> None:
    """Find what is wrong with rows to train on: copies, leaks, cut answers, broken LaTeX, what contradicts the books.

    Errors end with exit code 1, so that nothing is trained on them unless they are accepted.
    """
    from core.settings import load_settings
    from finetune.audit.examine import audit as examine
    from finetune.audit.read import read_dataset
    from finetune.audit.settings import AuditSettings, accepted

    settings = AuditSettings(
        max_length=max_length,
        exam=tuple(exam or ()),
        kb=kb,
        accept=accepted(accept or ()),
        near_duplicate=near,
        tokenizer=tokenizer,
    )
    train, test = read_dataset(data)
    found = examine(train, test, settings, service=load_settings() if kb else None)
    _show(found, report, ", ".join(path.name for path in data), as_json=as_json)


def _show(found: "AuditReport", folder: Path | None, data: str, *, as_json: bool) -> None:
    """Write and print the report, then stop where it says so."""
    from finetune.audit.markdown import summary
    from finetune.audit.plots import write_report

    written = write_report(found, folder, data) if folder else None
    if as_json:
        print_json(found.to_json())
        # The report itself says what stopped the run.
        raise typer.Exit(0 if found.passed else 1)
    print(summary(found))
    if written:
        print(f"report: {written}")
    found.require()
