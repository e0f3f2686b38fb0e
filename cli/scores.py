"""How `keben eval` shows progress and scores to people."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from evaluate.citation_results import CitationsResult
    from evaluate.compare import RetrievalComparison
    from evaluate.exam.compare import ExamComparison
    from evaluate.exam.results import ExamResult
    from evaluate.records import Comparison, Score
    from evaluate.refusal_results import RefusalResult, ScoredQuestion
    from evaluate.results import RetrievalResult

_EVERY = 100
_PIPED_WIDTH = 120
_WORST = 5

Item = TypeVar("Item")


def tracked(items: Sequence[Item], *, quiet: bool) -> Iterator[Item]:
    """The questions, with a bar on a terminal and plain lines elsewhere, on stderr."""
    from tqdm import tqdm

    if quiet:
        yield from items
    elif sys.stderr.isatty():
        yield from tqdm(items, unit="question", dynamic_ncols=True, desc="asking")
    else:
        for number, item in enumerate(items, 1):
            yield item
            if number % _EVERY == 0 or number == len(items):
                print(f"asked {number} of {len(items)} questions", file=sys.stderr, flush=True)


def print_retrieval(result: "RetrievalResult", comparison: "RetrievalComparison | None") -> None:
    """Scores, what changed, and whether gold is missing."""
    from evaluate.report import groups

    _print_scores(
        ("queries",), result.measures, [(name, (group.queries,), group.scores) for name, group in groups(result)]
    )
    if comparison:
        _print_changes(comparison)
        print(f"  first relevant passage: higher for {len(comparison.better)}, lower for {len(comparison.worse)}")
    _print_missing(sum(bool(query.missing) for query in result.queries))


def print_refusal(result: "RefusalResult", comparison: "Comparison | None") -> None:
    """Scores, thresholds and the worst mistakes."""
    from evaluate.decisions import MEASURES

    rows = [
        (group.name, (f"{group.accepted}/{group.accept}", f"{group.wrongly_accepted}/{group.reject}"), group.scores)
        for group in result.groups
    ]
    _print_scores(("right", "wrong"), MEASURES, rows)
    print("right, wrong: questions accepted, of those to accept and of those to refuse")
    best = result.best_in_sample
    print(f"\nserved threshold {result.threshold.value:g}: F1 {result.threshold.f1:.3f}")
    print(f"best in-sample threshold {best.value:g}: F1 {best.f1:.3f}, chosen on these very questions")
    _print_mistakes("answered that should be refused", result.wrongly_accepted)
    _print_mistakes("refused that should be answered", result.wrongly_refused)
    if comparison:
        _print_changes(comparison)


def print_citations(result: "CitationsResult") -> None:
    """Scores, and whether gold is missing."""
    from evaluate.citation_results import MEASURES

    rows = [(group.name, (group.questions, group.citations), group.scores) for group in result.groups]
    _print_scores(("asked", "citations"), MEASURES, rows)
    _print_missing(sum(bool(answer.missing) for answer in result.answers))


def print_exam(result: "ExamResult", comparison: "ExamComparison | None") -> None:
    """Scores beside those of guessing, what could not be read, and what changed."""
    from evaluate.exam.report import exam_groups, solved_by

    print(solved_by(result))
    rows = [
        (label, (group.questions,), group.scores | ({"chance": group.chance} if group.chance else {}))
        for label, group in exam_groups(result)
    ]
    measures = ("chance", *(name for name in result.measures if name != "chance"))
    _print_scores(("questions",), measures, rows)
    print("chance: what guessing gets, and between what in 95 % of all exams")
    for name, share in result.overall.unanswered.items():
        if share:
            print(f"{name}: no answer could be read for {share:.1%} of the questions; they count as wrong")
    if loss := result.loss:
        interval = f"{loss.loss.mean:.3f} ({loss.loss.low:.3f}–{loss.loss.high:.3f})"
        print(f"loss {interval} nats a token, perplexity {loss.perplexity:.2f}, over {loss.tokens} tokens")
    if comparison:
        _print_exam_changes(comparison)


def _print_exam_changes(comparison: "ExamComparison") -> None:
    from evaluate.markdown import signed

    print(f"\nagainst the baseline ({comparison.baseline}), over {comparison.compared} questions:")
    for group in comparison.groups:
        for change in group.changes:
            chance = "" if change.certain else "  (may be chance)"
            moved = f"{change.before:.3f} → {change.now:.3f}, {signed(change.difference)}{chance}"
            print(f"  {group.name}, {change.measure}: {moved}")
    print(f"  lost: {len(comparison.lost)}, won: {len(comparison.won)}; --report FILE names them")
    if comparison.loss:
        print(f"  loss: {signed(comparison.loss)} nats a token")


def _print_scores(
    counts: Sequence[str],
    measures: Sequence[str],
    rows: Iterable[tuple[str, Sequence[int | str], Mapping[str, "Score"]]],
) -> None:
    """A table: label, counts and, for each measure, the score over its interval."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for name in (*counts, *measures):
        table.add_column(name.replace("_", "\n"), justify="right", no_wrap=True)
    for label, numbers, scores in rows:
        found = (scores.get(name) for name in measures)
        cells = (f"{score.mean:.3f}\n{score.low:.3f}–{score.high:.3f}" if score else "–" for score in found)
        table.add_row(Text(label), *map(str, numbers), *cells)
    Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPED_WIDTH).print(table)


def _print_changes(comparison: "Comparison") -> None:
    from evaluate.markdown import signed

    print(f"\nagainst the baseline, over {comparison.compared} questions:")
    for change in comparison.changes:
        moved = f"  {change.measure}: {change.before:.3f} → {change.now:.3f}"
        chance = "" if change.certain else "  (may be chance)"
        print(f"{moved}, {signed(change.difference)}{chance}" if change.before != change.now else moved)


def _print_mistakes(title: str, questions: Sequence["ScoredQuestion"]) -> None:
    if questions:
        print(f"\n{title}, the worst of {len(questions)}:")
    for one in questions[:_WORST]:
        print(f"  {one.score:.3f}  {one.question}")


def _print_missing(queries: int) -> None:
    if queries:
        print(f"\n{queries} queries have gold that the knowledge base does not hold; --report FILE lists them")
