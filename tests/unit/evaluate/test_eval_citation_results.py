"""Runs of answers and citations: shares, groups, the report."""

from typing import Any

import pytest

from evaluate.citation_report import citations_markdown
from evaluate.citation_results import AnswerResult, CitationResult, CitationsResult, Share, answer_groups
from evaluate.records import Served


def citation(verbatim: bool, gold: bool = False) -> CitationResult:
    return CitationResult(
        source="os.pdf", page=3, page_label="iii", quote="互相等待 " * 90, verbatim=verbatim, gold=gold
    )


def answer(qid: str, *citations: CitationResult, refused: bool = False, **fields: Any) -> AnswerResult:
    shares = {"answered": Share(part=float(not refused), whole=1)}
    if not refused:
        shares["quote_verbatim"] = Share(part=sum(one.verbatim for one in citations), whole=len(citations))
        shares["gold_cited"] = Share(part=float(any(one.gold for one in citations)), whole=1)
    values: dict[str, Any] = {"language": "zh", "reason": "没有" if refused else None, "missing": ()} | fields
    return AnswerResult(
        qid=qid,
        key=qid,
        query=f"问题 {qid}",
        refused=refused,
        answer="答",
        citations=citations,
        shares=shares,
        **values,
    )


def run(*answers: AnswerResult) -> CitationsResult:
    return CitationsResult(
        served=Served(kb="default", generation="g1", embedder="minilm", settings={}),
        model="extractive",
        query_set="set.jsonl",
        groups=answer_groups(answers),
        answers=answers,
    )


def test_every_citation_counts_the_same_whatever_its_answer() -> None:
    answers = [answer("a", citation(True, gold=True)), answer("b", *[citation(True)] * 2, citation(False)), answer("c")]
    (group,) = answer_groups(answers)
    assert (group.questions, group.answered, group.citations) == (3, 3, 4)
    assert group.scores["quote_verbatim"].mean == 3 / 4
    assert group.scores["gold_cited"].mean == pytest.approx(1 / 3)
    assert "token_f1" not in group.scores


def test_a_refusal_counts_among_all_questions_only() -> None:
    answers = [
        answer("a", citation(True, gold=True)),
        answer("b", refused=True),
        answer("c", refused=True, language="en"),
    ]
    everything, english, chinese = answer_groups(answers)
    assert (english.name, chinese.name) == ("language en", "language zh")
    assert everything.scores["answered"].mean == pytest.approx(1 / 3)
    assert everything.scores["gold_cited"].mean == 1
    assert set(english.scores) == {"answered"}
    assert [chinese.scores[name].mean for name in ("answered", "gold_cited")] == [0.5, 1]


def test_the_report_lists_what_is_wrong() -> None:
    text = citations_markdown(
        run(
            answer("right", citation(True, gold=True)),
            answer("false", citation(False)),
            answer("refused", refused=True),
            answer("absent", citation(True), missing=("os.md [1, 2)",)),
        )
    )
    assert "| all | 4 | 3 | 3 | 0.750" in text and "| – |" in text
    false = text.split("## Quotes that are not on the cited page")[1].split("##")[0]
    assert "| false | os.pdf | iii | 互相等待" in false and "…" in false and "| right |" not in false
    astray = text.split("## Answered without citing the gold")[1].split("##")[0]
    assert "| false |" in astray and "| right |" not in astray and "| absent |" not in astray
    assert "| refused | 问题 refused | 没有 |" in text.split("## Refused")[1]
    assert "os.md [1, 2)" in text.split("does not hold")[1]
