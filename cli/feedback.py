"""`keben feedback` and `keben gaps`: what students think of answers, and what they ask in vain."""

import time
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json, Kb, print_json
from core.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.settings import Settings
    from finetune.conversations import Conversation
    from server.answer_log import AnswerLog
    from server.answer_records import FeedbackRecord

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="Feedback on answers: review and export."
)
gaps_app = typer.Typer(add_completion=False, rich_markup_mode=None)
_ALL = 10**6
_NEAR = 0.5


class Chosen(StrEnum):
    """As `server.answer_records.State`."""

    new = "new"
    accepted = "accepted"
    rejected = "rejected"


Ids = Annotated[list[str], typer.Argument(metavar="ID…", help="Answers, as `keben feedback list` shows them.")]


@app.command("list")
def list_feedback(
    kb: Kb = None,
    state: Annotated[Chosen | None, typer.Option("--state", help="Only what is in this state.")] = None,
    as_json: Json = False,
) -> None:
    """Show what was said of answers, the newest first."""
    from server.schemas.feedback import FeedbackBody

    settings = _settings()
    with closing(_log(settings)) as log:
        found = log.feedback(kb or settings.kb, state.value if state else None, _ALL)
    if as_json:
        print_json({"feedback": [FeedbackBody.of(record).model_dump(mode="json") for record in found]})
        return
    for record in found:
        print(f"{record.id}  {'👍' if record.thumb == 'up' else '👎'}  {record.state}  {record.question}")
        for name, text in (("answer", record.answer), ("comment", record.comment), ("corrected", record.corrected)):
            if text:
                print(f"    {name}: {text}")
    if not found:
        print("no feedback")


@app.command()
def accept(ids: Ids, kb: Kb = None) -> None:
    """Take feedback: `export` writes it."""
    _review(ids, kb, Chosen.accepted)


@app.command()
def reject(ids: Ids, kb: Kb = None) -> None:
    """Leave feedback: `export` passes it over."""
    _review(ids, kb, Chosen.rejected)


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="JSON Lines, for `keben finetune dataset`.")],
    kb: Kb = None,
    as_json: Json = False,
) -> None:
    """Write accepted feedback as conversations to train on.

    A corrected answer is what the model shall say; without one, an answer with a thumb up. A thumb down without a
    correction teaches nothing and is left out.
    """
    from finetune.conversations import write_conversations

    settings = _settings()
    name = kb or settings.kb
    with closing(_log(settings)) as log:
        accepted = log.feedback(name, "accepted", _ALL)
        waiting = len(log.feedback(name, "new", _ALL))
    rows = training_rows(accepted)
    if not rows:
        raise DatasetError(
            f"there is nothing to export: {len(accepted)} accepted, {waiting} to be reviewed",
            mend="`keben feedback list`, then `keben feedback accept ID`",
        )
    write_conversations(out, rows)
    if as_json:
        print_json({"out": str(out), "rows": len(rows), "left_out": len(accepted) - len(rows), "to_review": waiting})
    else:
        print(
            f"{out}: {len(rows)} conversations ({len(accepted) - len(rows)} left out, {waiting} still to be reviewed)"
        )


@gaps_app.command()
def gaps(
    kb: Kb = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="Look back so far.")] = 30,
    as_json: Json = False,
) -> None:
    """Show what students asked and the books do not answer, by the section that comes nearest."""
    from server.answer_log import nothing_kept
    from server.gaps import MARGIN, gaps_of
    from server.schemas.feedback import GapBody
    from vector_db.layout import KnowledgeBaseFolder
    from vector_db.manifest import read_manifest

    settings = _settings()
    folder = KnowledgeBaseFolder(settings.data_dir, kb or settings.kb)
    calibration = read_manifest(folder.current()).calibration
    threshold = settings.retrieval.min_relevance
    if threshold is None:
        threshold = calibration.threshold if calibration else _NEAR
    with closing(_log(settings)) as log:
        found = gaps_of(log.asked(folder.kb, time.time() - days * 86400, threshold + MARGIN, _ALL))
    if not found and not settings.server.keep_answers_days:
        raise nothing_kept()
    if as_json:
        print_json({"days": days, "gaps": [GapBody.of(gap).model_dump(mode="json") for gap in found]})
        return
    for gap in found:
        where = " › ".join(part for part in (gap.book, gap.heading) if part) or "nothing comes near"
        page = f", page {gap.page}" if gap.page else ""
        last = datetime.fromtimestamp(gap.last, UTC)
        print(f"{where}{page}: {gap.refused} refused, {gap.weak} weak, last {last:%Y-%m-%d}")
        for question in gap.examples:
            print(f"    {question}")
    if not found:
        print(f"in {days} days nothing was refused or answered weakly")


def training_rows(accepted: "Iterable[FeedbackRecord]") -> "list[Conversation]":
    """What is to be learnt from accepted feedback, the newest first; of the same question the newest alone.

    Markers go: they number the passages that were found at that time. A refusal that was right teaches no answer.
    """
    from finetune.conversations import Conversation, Exchange
    from rag.answer_cache import normalised
    from rag.markers import without_markers

    rows: dict[str, Conversation] = {}
    for record in accepted:
        kept = record.answer if record.thumb == "up" and not record.refused else ""
        answer = without_markers(record.corrected or kept).strip()
        if answer:
            row = Conversation((Exchange(record.question, answer),), "feedback", f"feedback on {record.id}")
            rows.setdefault(normalised(record.question), row)
    return list(rows.values())


def _review(ids: list[str], kb: str | None, state: Chosen) -> None:
    settings = _settings()
    with closing(_log(settings)) as log:
        for id_ in ids:
            record = log.review(kb or settings.kb, id_, state.value)
            print(f"{record.id}  {record.state}  {record.question}")


def _settings() -> "Settings":
    from core.settings import load_settings

    return load_settings()


def _log(settings: "Settings") -> "AnswerLog":
    from server.answer_log import AnswerLog

    return AnswerLog(settings.state_dir, None)
