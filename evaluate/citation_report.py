"""A run of answers and citations as Markdown, for people and pull requests. Pure functions."""

from evaluate.citation_results import MEASURES, AnswerResult, CitationsResult
from evaluate.intervals import METHOD
from evaluate.markdown import cell, document, listing, origin, table

_SHOWN = 200


def citations_markdown(result: CitationsResult) -> str:
    """The report of `result`."""
    return document(
        f"# Answers of `{result.served.kb}`",
        _about(result),
        _scores(result),
        _false_quotes(result),
        _gold_not_cited(result),
        _refused(result),
        _missing(result),
    )


def _about(result: CitationsResult) -> str:
    return (
        f"{result.groups[0].questions} questions of `{result.query_set}`, answers written by `{result.model}`.\n"
        f"{origin(result.served)}\nEvery measure but *answered* is of the answered questions alone, and "
        f"*quote_verbatim* of their citations.\nIn brackets: {METHOD}."
    )


def _scores(result: CitationsResult) -> str:
    rows = [
        (
            group.name,
            str(group.questions),
            str(group.answered),
            str(group.citations),
            *(cell(group.scores.get(name)) for name in MEASURES),
        )
        for group in result.groups
    ]
    return "## Scores\n\n" + table(("", "questions", "answers", "citations", *MEASURES), rows)


def _false_quotes(result: CitationsResult) -> str:
    rows = [
        (answer.qid, citation.source, citation.page_label or str(citation.page or "–"), _short(citation.quote))
        for answer in result.answers
        for citation in answer.citations
        if not citation.verbatim
    ]
    return listing("## Quotes that are not on the cited page", ("id", "book", "page", "quote"), rows)


def _gold_not_cited(result: CitationsResult) -> str:
    rows = [
        (answer.qid, answer.query, _short(answer.answer), _sources(answer))
        for answer in result.answers
        if not answer.refused and not answer.missing and not any(citation.gold for citation in answer.citations)
    ]
    return listing("## Answered without citing the gold", ("id", "question", "answer", "cited"), rows)


def _refused(result: CitationsResult) -> str:
    rows = [(answer.qid, answer.query, answer.reason or "–") for answer in result.answers if answer.refused]
    return listing("## Refused", ("id", "question", "reason"), rows)


def _missing(result: CitationsResult) -> str:
    """Gold that is not in the knowledge base: a fault of the set, of reading or of cutting, not of the answer."""
    rows = [(answer.qid, answer.query, ", ".join(answer.missing)) for answer in result.answers if answer.missing]
    title = "## Gold that the knowledge base does not hold\n\nAn answer to these counts as not citing it."
    return listing(title, ("id", "question", "gold"), rows)


def _sources(answer: AnswerResult) -> str:
    return ", ".join(dict.fromkeys(citation.source for citation in answer.citations))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
