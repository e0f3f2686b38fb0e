"""The audit: every check of a data set, in one report."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from core.errors import ConfigError
from core.settings import Settings
from finetune.audit.books import Books, held_against
from finetune.audit.choices import choices, labels
from finetune.audit.contradictions import contradicting_rows
from finetune.audit.endings import endings
from finetune.audit.findings import worst_first
from finetune.audit.languages import languages, shares
from finetune.audit.latex import latex
from finetune.audit.leaks import leaks, read_exam
from finetune.audit.lengths import lengths
from finetune.audit.repeats import different_answers, repeats
from finetune.audit.report import AuditReport
from finetune.audit.rows import Row, rows_of
from finetune.audit.settings import AuditSettings
from finetune.audit.signs import signs
from finetune.conversations import Conversation


def audit(
    train: Sequence[Conversation],
    test: Sequence[Conversation] = (),
    settings: AuditSettings | None = None,
    *,
    service: Settings | None = None,
) -> AuditReport:
    """Examine a data set; the report says what is wrong, `AuditReport.require` raises it.

    service: where the knowledge base that `settings.kb` names lies. Raises DatasetError for an exam that cannot be
    read, ModelError for a tokenizer that cannot, and KnowledgeBaseError.
    """
    settings = settings or AuditSettings.model_validate({})
    exam = [asked for path in settings.exam for asked in read_exam(path)]
    with _books(settings, service) as books:
        return examine((*rows_of(train, "train"), *rows_of(test, "test")), settings, exam, books)


def examine(
    rows: Sequence[Row], settings: AuditSettings, exam: Sequence[tuple[str, str]] = (), books: Books | None = None
) -> AuditReport:
    """As `audit`, of what was read. exam: questions, and where they stand."""
    sizes, too_long = lengths(rows, settings.max_length, settings.tokenizer)
    held, in_books = held_against(rows, books) if books else (None, [])
    findings = [
        *repeats(rows, settings.near_duplicate), *different_answers(rows), *contradicting_rows(rows),
        *leaks(rows, exam, settings.near_duplicate), *endings(rows), *too_long, *signs(rows), *latex(rows),
        *languages(rows), *choices(rows), *in_books,
    ]  # fmt: skip
    turns = [turn for row in rows for turn in row.turns]
    return AuditReport(
        train=sum(row.split == "train" for row in rows),
        test=sum(row.split == "test" for row in rows),
        unique=len({row.turns for row in rows}),
        questions=shares([turn.input for turn in turns if turn.input.strip()]),
        answers=shares([turn.output for turn in turns]),
        lengths=sizes,
        labels=labels(rows),
        findings=worst_first(findings),
        accepted=settings.accept,
        held=held,
    )


@contextmanager
def _books(settings: AuditSettings, service: Settings | None) -> Iterator[Books | None]:
    if settings.kb is None:
        yield None
        return
    if service is None:
        raise ConfigError(
            f"the knowledge base {settings.kb!r} is named without the settings that say where it lies", mend="pass them"
        )
    from finetune.audit.knowledge import open_books

    with open_books(service, settings.kb) as books:
        yield books
