"""`keben eval`: measures of a knowledge base. Heavy modules are imported inside, so that help is instant."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evaluate.compare import Comparison
    from evaluate.queries import Query
    from evaluate.results import RetrievalResult

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Measure a knowledge base against questions with known answers.",
)

_EVERY = 100
_PIPED_WIDTH = 120


@app.command()
def retrieval(
    queries: Annotated[
        Path, typer.Option("--set", metavar="FILE", help="Query set, JSON Lines; the format is in evaluate/queries.py.")
    ],
    kb: Annotated[
        str | None, typer.Option("--kb", metavar="NAME", help="Knowledge base; 'default' if left out.")
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", min=1, max=50, help="Passages to look at.")] = 10,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="FILE", help="A saved run to compare with.")
    ] = None,
    save: Annotated[Path | None, typer.Option("--save", metavar="FILE", help="Save this run as JSON.")] = None,
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write a Markdown report.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")
    ] = False,
) -> None:
    """Recall, MRR and nDCG of the passages found, with confidence intervals, and what changed since a saved run."""
    from core.settings import load_settings
    from evaluate.compare import compare
    from evaluate.queries import read_queries
    from evaluate.report import markdown
    from evaluate.results import check_writable, load_result, save_result, write_text
    from evaluate.retrieval import evaluate_retrieval

    settings = load_settings()
    for path in filter(None, (save, report)):
        check_writable(path)
    before = load_result(baseline) if baseline else None
    result = evaluate_retrieval(
        settings,
        kb or settings.kb,
        read_queries(queries),
        query_set=str(queries),
        top_k=top_k,
        track=lambda some: _tracked(some, quiet=as_json),
    )
    if save:
        save_result(result, save)
    comparison = compare(result, before) if before else None
    if report:
        write_text(report, markdown(result, comparison))
    if as_json:
        _print_json(result, comparison)
    else:
        _print(result, comparison)


def _tracked(queries: Sequence["Query"], *, quiet: bool) -> Iterator["Query"]:
    """The queries, with a bar on a terminal and plain lines elsewhere, on stderr."""
    from tqdm import tqdm

    if quiet:
        yield from queries
    elif sys.stderr.isatty():
        yield from tqdm(queries, unit="query", dynamic_ncols=True, desc="asking")
    else:
        for number, query in enumerate(queries, 1):
            yield query
            if number % _EVERY == 0 or number == len(queries):
                print(f"asked {number} of {len(queries)} queries", file=sys.stderr, flush=True)


def _print_json(result: "RetrievalResult", comparison: "Comparison | None") -> None:
    changed = comparison.model_dump(mode="json") if comparison else None
    print(json.dumps({"result": result.model_dump(mode="json"), "comparison": changed}, ensure_ascii=False, indent=2))


def _print(result: "RetrievalResult", comparison: "Comparison | None") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from evaluate.report import groups, signed

    out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for name in ("queries", *result.measures):
        table.add_column(name, justify="right", no_wrap=True)
    for label, group in groups(result):
        scores = (group.scores[name] for name in result.measures)
        cells = (f"{score.mean:.3f}\n{score.low:.3f}–{score.high:.3f}" for score in scores)
        table.add_row(Text(label), str(group.queries), *cells)
    out.print(table)
    if comparison:
        out.print(f"\nagainst the baseline, over {comparison.compared} queries:")
        for change in comparison.changes:
            moved = f"  {change.measure}: {change.before:.3f} → {change.now:.3f}"
            chance = "" if change.certain else "  (may be chance)"
            out.print(f"{moved}, {signed(change.difference)}{chance}" if change.before != change.now else moved)
        out.print(f"  first relevant passage: higher for {len(comparison.better)}, lower for {len(comparison.worse)}")
    if absent := sum(bool(query.missing) for query in result.queries):
        out.print(f"\n{absent} queries have gold that the knowledge base does not hold; --report FILE lists them")
