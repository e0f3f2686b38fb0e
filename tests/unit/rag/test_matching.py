"""How well passages match: against a slow reference, on texts drawn by chance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from rag.matching import Matches, match
from rag.search_terms import SearchTerms
from vector_db.embedder import bundled_embedder
from vector_db.lexical import LexicalIndex, Terms, TermTable, write_lexical

WORDS = [
    "死锁",
    "进程",
    "线程",
    "资源",
    "等待",
    "算法",
    "内存",
    "页面",
    "deadlock",
    "process",
    "thread",
    "memori",
    "page",
]
UNKNOWN = ["银行家", "handshak", "鳄鱼"]
CHUNKS = 40


def drawn_documents() -> list[Terms]:
    chance = np.random.default_rng(0)
    documents = []
    for number in range(CHUNKS):
        heading, body = int(chance.integers(0, 6)), int(chance.integers(0, 95))
        # Few words in most texts, so that stretches differ.
        words = chance.choice(WORDS, size=3 + number % len(WORDS))
        documents.append(
            ([str(w) for w in chance.choice(WORDS, heading)], [str(w) for w in chance.choice(words, body)])
        )
    return [*documents, ([], []), (["死锁"], []), ([], ["死锁"])]


DOCUMENTS = drawn_documents()


@pytest.fixture(scope="module")
def lexical(tmp_path_factory: pytest.TempPathFactory) -> LexicalIndex:
    folder = tmp_path_factory.mktemp("lexical")
    table = TermTable()
    table.add(DOCUMENTS)
    write_lexical(folder, table, bundled_embedder())
    return LexicalIndex(folder, len(DOCUMENTS))


def asked(*terms: str, names: Sequence[Sequence[str]] = (), weights: Sequence[float] = ()) -> SearchTerms:
    return SearchTerms(
        terms, np.array(weights or [1.0] * len(terms)), tuple(map(tuple, names)) or tuple(() for _ in terms)
    )


class Slow:
    """What `Matches` says of one passage, word by word."""

    def __init__(self, terms: SearchTerms, lexical: LexicalIndex) -> None:
        self.terms = terms
        self.vectors = {word: lexical.word_vectors[lexical.number(word)].astype(np.float32) / 127 for word in WORDS}
        names = terms.all_names
        self.asked = dict(zip(names, bundled_embedder().encode(names), strict=True))

    def alike(self, at: int, word: str, exact: bool) -> float:
        names = (self.terms.terms[at], *self.terms.names[at])
        if word in names:
            return 1.0
        return 0.0 if exact else max(0.0, *(float(self.asked[name] @ self.vectors[word]) for name in names))

    def best(self, at: int, words: Sequence[str], exact: bool = False) -> float:
        return max((self.alike(at, word, exact) for word in words), default=0.0)

    def weighted(self, values: Sequence[float]) -> float:
        return float(self.terms.weights @ np.array(values)) / self.terms.total

    def anywhere(self, document: Terms) -> float:
        heading, body = document
        return self.weighted([self.best(at, [*heading, *body]) for at in range(len(self.terms.terms))])

    def stretch(self, document: Terms, length: int, exact: bool = False) -> float:
        heading, body = document
        stretches = [body[start : start + length] for start in range(0, len(body), 10)]
        return max(
            (
                self.weighted(
                    [
                        max(self.best(at, words, exact), self.best(at, heading, exact) / 2)
                        for at in range(len(self.terms.terms))
                    ]
                )
                for words in stretches
            ),
            default=0.0,
        )


TERM = st.sampled_from([*WORDS, *UNKNOWN])
QUESTIONS = st.lists(
    st.tuples(TERM, st.floats(0.05, 8), st.lists(TERM, max_size=2, unique=True)),
    min_size=1,
    max_size=6,
    unique_by=lambda term: term[0],
)


@examples(deadline=None, max_examples=60)
@given(question=QUESTIONS, rows=st.lists(st.integers(0, len(DOCUMENTS) - 1), min_size=1, max_size=9, unique=True))
def test_it_matches_as_a_slow_search_does(
    lexical: LexicalIndex, question: list[tuple[str, float, list[str]]], rows: list[int]
) -> None:
    terms = asked(
        *(term for term, _, _ in question),
        weights=[weight for _, weight, _ in question],
        names=[names for _, _, names in question],
    )
    found, slow = match(terms, rows, lexical, bundled_embedder()), Slow(terms, lexical)
    documents = [DOCUMENTS[row] for row in rows]
    assert found.anywhere == pytest.approx([slow.anywhere(document) for document in documents], abs=1e-4)
    assert found.stretch_20 == pytest.approx([slow.stretch(document, 20) for document in documents], abs=1e-4)
    assert found.stretch_40 == pytest.approx([slow.stretch(document, 40) for document in documents], abs=1e-4)
    assert found.exact == pytest.approx([slow.stretch(document, 40, exact=True) for document in documents], abs=1e-4)


@examples(deadline=None, max_examples=30)
@given(question=QUESTIONS)
def test_every_match_is_a_share_and_a_longer_stretch_holds_no_less(
    lexical: LexicalIndex, question: list[tuple[str, float, list[str]]]
) -> None:
    terms = asked(*(term for term, _, _ in question), weights=[weight for _, weight, _ in question])
    found = match(terms, range(len(DOCUMENTS)), lexical, bundled_embedder())
    for values in (found.anywhere, found.stretch_20, found.stretch_40, found.exact):
        assert values.shape == (len(DOCUMENTS),) and values.min() >= 0 and values.max() <= 1 + 1e-5
    assert (found.stretch_20 <= found.stretch_40 + 1e-5).all()
    assert (found.exact <= found.stretch_40 + 1e-5).all()


def of_texts(folder: Path, terms: SearchTerms, *documents: Terms) -> Matches:
    table = TermTable()
    table.add(documents)
    write_lexical(folder, table, bundled_embedder())
    index = LexicalIndex(folder, len(documents))
    return match(terms, range(len(documents)), index, bundled_embedder())


def test_words_side_by_side_say_more_than_words_strewn_about(tmp_path: Path) -> None:
    filler = ["算法"] * 60
    close, strewn = ["死锁", "条件", *filler], ["死锁", *filler, "条件"]
    found = of_texts(tmp_path, asked("死锁", "条件"), ([], close), ([], strewn))
    assert found.anywhere == pytest.approx([1, 1])
    assert found.stretch_20[0] == pytest.approx(1) and found.stretch_20[1] < 0.9
    assert found.exact[0] == pytest.approx(1) and found.exact[1] == pytest.approx(0.5)


def test_another_name_is_as_good_as_the_term(tmp_path: Path) -> None:
    terms = asked("deadlock", names=[["死锁"]])
    found = of_texts(tmp_path, terms, ([], ["死锁"]), ([], ["deadlock"]), ([], ["算法"]))
    assert found.exact == pytest.approx([1, 1, 0])
    assert found.anywhere[:2] == pytest.approx([1, 1]) and found.anywhere[2] < 0.5


def test_a_word_of_like_meaning_is_better_than_any_other(tmp_path: Path) -> None:
    found = of_texts(tmp_path, asked("网络"), ([], ["network"]), ([], ["鳄鱼"]), ([], ["互联网"]))
    assert found.exact.tolist() == [0, 0, 0]
    assert min(found.anywhere[0], found.anywhere[2]) > found.anywhere[1] >= 0


def test_no_terms_or_no_passages_match_nothing(lexical: LexicalIndex) -> None:
    none = match(asked(), [0, 1], lexical, bundled_embedder())
    assert none.anywhere.tolist() == none.exact.tolist() == [0, 0]
    assert match(asked("死锁"), [], lexical, bundled_embedder()).stretch_20.shape == (0,)
