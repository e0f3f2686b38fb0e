"""A run of refusal as Markdown, for people and pull requests. Pure functions."""

from collections.abc import Sequence

from evaluate.decisions import MEASURES
from evaluate.intervals import METHOD
from evaluate.markdown import against, cell, document, listing, origin, table
from evaluate.records import Comparison
from evaluate.refusal_results import RefusalResult, ScoredQuestion, Threshold

IN_SAMPLE = "best in-sample (chosen on these very questions: optimistic)"


def refusal_markdown(result: RefusalResult, comparison: Comparison | None = None) -> str:
    """The report of `result`, and of what changed since the baseline."""
    return document(
        f"# Refusal of `{result.served.kb}`",
        _about(result),
        _scores(result),
        _thresholds(result),
        against(comparison) if comparison else "",
        _mistakes("## Answered that should be refused, highest score first", result.wrongly_accepted),
        _mistakes("## Refused that should be answered, lowest score first", result.wrongly_refused),
    )


def _about(result: RefusalResult) -> str:
    overall = result.groups[0]
    return (
        f"{overall.accept} questions to accept of `{result.accept_set}`, {overall.reject} to refuse of "
        f"`{result.reject_set}`.\n{origin(result.served)}\n"
        "The score of a question is the relevance of its best passage; it is accepted when that reaches "
        f"{result.threshold.value:g}. Positive is *accept*; the classes are as large as the files, not balanced.\n"
        f"In brackets: {METHOD}, drawn within each class."
    )


def _scores(result: RefusalResult) -> str:
    rows = [
        (
            group.name,
            f"{group.accepted} of {group.accept}",
            f"{group.wrongly_accepted} of {group.reject}",
            *(cell(group.scores[name]) for name in MEASURES),
        )
        for group in result.groups
    ]
    head = ("questions to refuse", "accepted that should be", "accepted that should not", *MEASURES)
    return "## Scores\n\n" + table(head, rows)


def _thresholds(result: RefusalResult) -> str:
    rows = [_threshold("served", result.threshold), _threshold(IN_SAMPLE, result.best_in_sample)]
    head = ("threshold", "value", "accepted that should be", "accepted that should not", "precision", "recall", "f1")
    return "## Threshold\n\n" + table(head, rows)


def _threshold(name: str, one: Threshold) -> Sequence[str]:
    measures = (f"{value:.3f}" for value in (one.precision, one.recall, one.f1))
    return name, f"{one.value:g}", str(one.accepted), str(one.wrongly_accepted), *measures


def _mistakes(title: str, questions: Sequence[ScoredQuestion]) -> str:
    rows = [(f"{one.score:.3f}", one.kind, one.id, one.question, one.passage) for one in questions]
    return listing(title, ("score", "kind", "id", "question", "best passage"), rows)
