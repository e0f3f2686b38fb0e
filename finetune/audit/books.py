"""Answers held against the books: which the books support, which they contradict, and which they do not speak of.

Pure, given what finds passages. `claims` says what a contradiction is, and what is not seen; whether an answer is
supported is told as for the service's own answers (`rag.verdict`). An answer that is not in the books may be right.
Of a short answer little can be told: with the sample books, of the right options of 400 multiple-choice questions 126
were called supported, and of as many wrong ones 80; none was called contradicted. A contradiction is seldom asserted,
and then mostly true: the answers to 195 other questions gave one, and it was wrong.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.text import sentences
from core.types import Passage
from finetune.audit.asked import claims_of, is_short, statement
from finetune.audit.choices import chosen
from finetune.audit.claims import Claim, claims_in, clauses_of, value_of
from finetune.audit.contradictions import agree, contrasted, equal, excluded
from finetune.audit.findings import Finding, Flaw, excerpt, finding
from finetune.audit.rows import Row
from rag.citation_check import check
from rag.generic_words import own_terms
from rag.support import Embed, evidence_of
from rag.verdict import judge
from vector_db.glossary import Glossary
from vector_db.tokenizer import tokens

Outcome = Literal["supported", "contradicted", "not found"]
_EXCUSED = {"identity", "text", "agent"}  # what is not about the books, or was taken from them
_SHOWN = 60
_MEETS = 0.5  # of the question's own words


@dataclass(frozen=True, slots=True)
class Books:
    """Where passages come from. search: the best passages for a question, best first."""

    name: str
    search: Callable[[str], Sequence[Passage]]
    embed: Embed
    glossary: Glossary


@dataclass(frozen=True, slots=True)
class Held:
    """How many answers the books support, contradict and do not speak of."""

    kb: str
    supported: int
    contradicted: int
    not_found: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Against:
    """What a book says against an answer, and where."""

    reason: str
    clause: str
    place: str


def held_against(rows: Iterable[Row], books: Books) -> tuple[Held, list[Finding]]:
    """Each answer with its outcome; rows without a question of the course are left out."""
    contradicted: list[Flaw] = []
    absent: list[Flaw] = []
    known: dict[tuple[str, str], tuple[Outcome, Against | None]] = {}
    outcomes: Counter[Outcome] = Counter()
    looked_at = [row for row in rows if row.conversation.kind not in _EXCUSED]
    for row in looked_at:
        for turn in row.turns:
            if not turn.input.strip() or not turn.output.strip():
                continue
            key = (turn.input, turn.output)
            if key not in known:
                known[key] = outcome_of(turn.input, turn.output, books)
            outcome, against = known[key]
            outcomes[outcome] += 1
            shown = f"{excerpt(turn.input, _SHOWN)} → {excerpt(turn.output, _SHOWN)}"
            if against:
                contradicted.append((row, f"{shown} ≠ {against.clause}", f"{against.place}: {against.reason}"))
            elif outcome == "not found":
                absent.append((row, shown, "no passage says it"))
    held = Held(books.name, outcomes["supported"], outcomes["contradicted"], outcomes["not found"])
    return held, [
        *finding(
            "contradicts-book", "error", contradicted, len(looked_at), "have an answer that the books contradict",
            "read the passage, and correct the answer or the book",
        ),
        *finding(
            "not-in-books", "note", absent, len(looked_at), "have an answer that was not found in the books",
            "read some: they are right, wrong, or of a topic that the books lack",
        ),
    ]  # fmt: skip


def outcome_of(question: str, answer: str, books: Books) -> tuple[Outcome, Against | None]:
    """What the books say to one answer; of a multiple-choice question, to the option that it names."""
    question, answer, options = chosen(question, answer)
    others = frozenset(filter(None, map(value_of, options)))
    passages = books.search(question.strip())
    said = [(passage, [claim for clause in clauses for claim in claims_in(clause)])
            for passage in passages for clauses in clauses_of(passage.chunk.reading)]  # fmt: skip
    claims = claims_of(question, answer)
    if against := _against(claims, said, others):
        return "contradicted", against
    supported = _told(claims, said) or _supported(question, answer, passages, books)
    return ("supported" if supported else "not found"), None


def place_of(passage: Passage) -> str:
    """Book, headings and page."""
    page = "" if passage.chunk.page is None else f", page {passage.chunk.page}"
    return " > ".join((passage.book.title, *passage.chunk.heading_path)) + page


_Said = Sequence[tuple[Passage, Sequence[Claim]]]  # of each sentence


def _against(claims: Sequence[Claim], said: _Said, others: frozenset[str]) -> Against | None:
    """The first clause that excludes a claim of which no passage says the same.

    others: values that exclude the one of the claim because only one of the options is right.
    """
    for claim in claims:
        own = [one for _, sentence in said for one in sentence if _of_one_subject(one, claim)]
        # Several values of one subject: the books know of cases that the question leaves open.
        if any(_confirms(one, claim) for one in own) or len({one.value for one in own if excluded(one, claim)}) > 1:
            continue
        for passage, sentence in said:
            for one in sentence:
                if reason := excluded(claim, one) or _another_option(claim, one, others):
                    return Against(reason, one.text, place_of(passage))
            if other := contrasted(claim, sentence):
                return Against(f"{claim.value} is said of another", other.text, place_of(passage))
    return None


def _another_option(claim: Claim, one: Claim, others: frozenset[str]) -> str | None:
    if not _of_one_subject(one, claim) or one.kind != "value" or agree(one.value, claim.value):
        return None
    return f"{one.value} is another option" if one.value in others else None


def _told(claims: Sequence[Claim], said: _Said) -> bool:
    """Whether a passage gives a value or number to the same subject."""
    every = [one for _, sentence in said for one in sentence if one.kind != "said"]
    return any(_of_one_subject(one, claim) and equal(one.value, claim.value) for claim in claims for one in every)


def _of_one_subject(one: Claim, other: Claim) -> bool:
    return (one.kind, one.subject) == (other.kind, other.subject)


def _confirms(one: Claim, claim: Claim) -> bool:
    parts = claim.kind == "value" and agree(one.value, claim.value) and not excluded(one, claim)
    return parts or equal(one.value, claim.value)


def _supported(question: str, answer: str, passages: Sequence[Passage], books: Books) -> bool:
    """Whether the passages say all that the answer says."""
    if not passages:
        return False
    evidence = evidence_of(passages, question, books.embed, books.glossary)
    if not is_short(answer):
        said = [one for one in check(answer, evidence).statements if one.claims]
        return bool(said) and all(one.supported for one in said)
    if not judge(statement(question, answer), (), evidence).supported:
        return False
    # A question alone can be near enough to a passage: its words and those of a short answer must meet in a sentence.
    words, asked = set(tokens(answer)), set(own_terms(question)) - set(tokens(answer))
    names = {name for found in books.glossary.translations(tokens(answer)).values() for name in found}
    return any(
        (words <= present or bool(names & present)) and len(asked & present) >= _MEETS * len(asked)
        for present in _sentences(passages)
    )


def _sentences(passages: Sequence[Passage]) -> Iterator[set[str]]:
    """The words of each sentence, with those of the heading that it stands under."""
    for passage in passages:
        heading = set(tokens(" ".join(passage.chunk.heading_path[-1:])))
        for line in passage.chunk.reading.split("\n"):
            yield from (heading | set(tokens(line[start:end])) for start, end in sentences(line))
