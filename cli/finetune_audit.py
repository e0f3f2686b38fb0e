"""`keben finetune audit`: what is wrong with a data set. Heavy modules are imported inside, so that help is instant."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json, print_json


def audit(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER|FILE…",
            help="A data set with train.jsonl and test.jsonl, or files of rows: JSON, JSON Lines.",
        ),
    ],
    kb: Annotated[
        str | None,
        typer.Option("--kb", metavar="NAME", help="Hold the answers against the books of this knowledge base."),
    ] = None,
    exam: Annotated[
        list[Path] | None,
        typer.Option(
            "--exam", metavar="FILE", help="Questions that must not be trained on, JSON Lines; may be given again."
        ),
    ] = None,
    max_length: Annotated[
        int, typer.Option("--max-length", min=16, max=1_000_000, help="Tokens of a row that training keeps.")
    ] = 2048,
    tokenizer: Annotated[
        Path | None,
        typer.Option("--tokenizer", metavar="FOLDER", help="Model whose tokens to count; else an estimate."),
    ] = None,
    near: Annotated[
        float, typer.Option("--near", min=0.1, max=1.0, help="Similarity from which on two rows are near-copies.")
    ] = 0.8,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", metavar="CHECK", help="Let the errors of a check pass; may be given again."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FOLDER", help="Write a Markdown report with figures.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find what is wrong with rows to train on: copies, leaks, cut answers, broken LaTeX, what contradicts the books.

    Errors end with exit code 1, so that nothing is trained on them unless they are accepted.
    """
    from core.settings import load_settings
    from finetune.audit.examine import audit as examine
    from finetune.audit.markdown import summary
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
    if report:
        from finetune.audit.plots import write_report

        write_report(found, report, ", ".join(path.name for path in data))
    if as_json:
        print_json(found.to_json())
    else:
        print(summary(found))
        if report:
            print(f"report: {report / 'report.md'}")
    if not found.passed:
        # With --json the report itself says what stopped the run.
        if as_json:
            raise typer.Exit(1)
        found.require()
