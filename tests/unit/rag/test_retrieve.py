"""Hybrid retrieval over real generations with the bundled embedder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from english_model import write_english_model

from core.errors import GenerationCorrupt
from core.settings import EmbeddingSettings, RetrievalSettings, Settings
from core.types import Passage
from rag.retrieve import Retriever, coverage, term_weights
from vector_db.embedder import Embedder, Vectors, bundled_embedder, open_embedder
from vector_db.library import open_knowledge_base
from vector_db.reader import Generation


class RecordingEmbedder(Embedder):
    """An embedder that remembers what questions it was asked to embed."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.questions: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        self.questions += texts
        return self._embedder.encode_queries(texts)

    def unknown_rate(self, text: str) -> float:
        return self._embedder.unknown_rate(text)


@pytest.fixture
def generation(library_settings: Settings) -> Iterator[Generation]:
    base = open_knowledge_base(library_settings, "default")
    with base.generation() as opened:
        yield opened
    base.close()


def retriever(embedder: Embedder | None, **changes: float) -> Retriever:
    return Retriever(embedder, RetrievalSettings(**changes), max_unknown_rate=0.1)


def both_legs(**changes: float) -> Retriever:
    return retriever(bundled_embedder(), **changes)


def test_coverage_is_the_share_of_the_weight_of_the_question() -> None:
    weights = {"死锁": 3.0, "条件": 1.0}
    assert coverage(weights, ["死锁", "进程", "死锁"]) == 0.75
    assert coverage(weights, ["条件", "死锁"]) == 1.0
    assert coverage(weights, ["进程"]) == 0.0
    assert coverage({}, ["进程"]) == 0.0


def test_a_rare_term_weighs_more_than_a_common_one(generation: Generation) -> None:
    weights = term_weights("银行家算法和进程", generation.lexical)
    assert weights["银行家"] > weights["进程"] > 0


def test_another_name_weighs_what_its_term_weighs(opened: Generation) -> None:
    weights = term_weights("How do deadlocks arise?", opened.lexical)
    assert weights["死锁"] == weights["deadlock"] > 0


@pytest.mark.parametrize(
    ("question", "heading"),
    [
        ("死锁的四个必要条件是什么？", "死锁的必要条件"),
        ("時間片過大會怎樣？", "时间片轮转"),
        ("What are the ACID properties?", "The ACID properties"),
        ("Why do B+-trees keep records in the leaves?", "B+-trees"),
    ],
)
def test_a_question_takes_both_legs_and_finds_its_section(generation: Generation, question: str, heading: str) -> None:
    embedder = RecordingEmbedder(bundled_embedder())
    best = retriever(embedder).search(generation, question, 5)[0]
    assert embedder.questions == [question]
    assert best.chunk.heading_path[-1] == heading
    assert retriever(None).search(generation, question, 5)[0].chunk.id == best.chunk.id


def test_a_question_that_the_embedder_cannot_read_does_not_reach_it(generation: Generation, tmp_path: Path) -> None:
    model = write_english_model(tmp_path / "english", ["transaction"])
    embedder = RecordingEmbedder(open_embedder(EmbeddingSettings(model=str(model))))
    question = "死锁的四个必要条件是什么？"
    found = retriever(embedder).search(generation, question, 5)
    assert embedder.questions == []
    assert found == retriever(None).search(generation, question, 5)
    assert found[0].chunk.heading_path[-1] == "死锁的必要条件"


def test_a_question_in_other_words_is_found_by_meaning(generation: Generation) -> None:
    question = "rollback"
    assert retriever(None).search(generation, question, 3) == []
    found = both_legs().search(generation, question, 3)
    assert found[0].book.source == "databases.md"


def test_an_english_question_finds_the_chinese_passage_by_the_name_that_the_book_gives(opened: Generation) -> None:
    found = {passage.chunk.id for passage in retriever(None).search(opened, "deadlock", 9)}
    # os-0 and again-0 say deadlock themselves; the others say 死锁 alone.
    assert "notes-1" in found and found & {"os-0", "again-0"} and found & {"os-1", "again-1"}


def test_an_english_question_finds_the_chinese_passage_by_meaning(opened: Generation) -> None:
    question = "virtual memory and the address space of a program"
    assert retriever(None).search(opened, question, 3) == []
    assert both_legs().search(opened, question, 3)[0].chunk.id == "os-4"


def test_passages_come_best_first_and_no_more_than_wished(generation: Generation) -> None:
    for top_k in (1, 3, 50):
        found = both_legs().search(generation, "transaction log commit", top_k)
        assert 0 < len(found) <= top_k
        assert [passage.score for passage in found] == sorted((passage.score for passage in found), reverse=True)
        assert len({passage.chunk.id for passage in found}) == len(found)
        assert all(0 <= passage.relevance <= 1 for passage in found)


@pytest.mark.parametrize("question", ["死锁的必要条件", "rollback", "TCP 死锁", "红烧肉怎么做？", "？"])
def test_fewer_passages_are_the_first_of_more(opened: Generation, question: str) -> None:
    many = both_legs().search(opened, question, 50)
    assert both_legs().search(opened, question, 2) == many[:2]
    assert both_legs().search(opened, question, 50) == many
    assert all(0 <= passage.relevance <= 1 for passage in many)


def test_relevance_is_high_for_an_answer_and_low_for_what_is_merely_nearest(opened: Generation) -> None:
    right = both_legs().search(opened, "产生死锁的必要条件有哪些？", 1)[0]
    wrong = both_legs().search(opened, "红烧肉怎么做？", 1)[0]
    assert right.chunk.text.startswith("产生死锁") and right.relevance > 0.5 > wrong.relevance


def test_nothing_is_found_for_words_of_no_book(generation: Generation) -> None:
    assert retriever(None).search(generation, "红烧肉怎么做？", 5) == []


def ids(passages: Sequence[Passage]) -> list[str]:
    return [passage.chunk.id for passage in passages]


@pytest.mark.parametrize("question", ["什么是死锁？", "死锁的必要条件", "deadlock"])
@pytest.mark.parametrize("embedder", [None, bundled_embedder()], ids=["words", "both"])
def test_of_passages_that_say_the_same_only_the_better_one_is_given(
    opened: Generation, question: str, embedder: Embedder | None
) -> None:
    found = set(ids(retriever(embedder).search(opened, question, 50)))
    assert len(found & {"os-0", "again-0"}) == 1 and len(found & {"os-1", "again-1"}) == 1


def test_the_place_of_a_repeated_passage_goes_to_the_next(opened: Generation) -> None:
    whole = ids(both_legs().search(opened, "死锁", 50))
    # Two repeat others; two of the notes have neither a vector nor a word of the question.
    assert len(whole) == len(opened.ids) - 4 and not {"notes-0", "notes-2"} & set(whole)
    assert ids(both_legs().search(opened, "死锁", 4)) == whole[:4]


def test_a_repeated_passage_is_found_where_only_its_book_is_searched(opened: Generation) -> None:
    assert set(ids(both_legs().search(opened, "死锁", 50, frozenset({"again"})))) == {"again-0", "again-1"}


@pytest.mark.parametrize("question", ["What are the ACID properties?", "死锁 transaction SYN handshake"])
def test_all_books_named_are_no_bound(generation: Generation, question: str) -> None:
    free = both_legs().search(generation, question, 50)
    bound = both_legs().search(generation, question, 50, frozenset(generation.books))
    assert ids(bound) == ids(free)
    assert [p.score for p in bound] == pytest.approx([p.score for p in free], abs=1e-5)
    assert [p.relevance for p in bound] == pytest.approx([p.relevance for p in free], abs=1e-3)


@pytest.mark.parametrize("source", ["os.md", "databases.md", "networks.html"])
def test_only_the_books_named_are_searched_by_both_legs(generation: Generation, source: str) -> None:
    book = next(book.id for book in generation.books.values() if book.source == source)
    one = both_legs(candidates=3)
    found = one.search(generation, "死锁 transaction commit SYN packet log", 50, frozenset({book}))
    assert found and {passage.chunk.book_id for passage in found} == {book}
    assert retriever(None, candidates=3).search(generation, "红烧肉怎么做？", 50, frozenset({book})) == []


def test_the_nearest_of_a_book_are_found_however_far_they_are(generation: Generation) -> None:
    networks = next(book.id for book in generation.books.values() if book.source == "networks.html")
    question = "rollback"
    free = both_legs(candidates=3).search(generation, question, 3)
    assert networks not in {passage.chunk.book_id for passage in free}
    assert both_legs(candidates=3).search(generation, question, 3, frozenset({networks}))


def test_fewer_candidates_leave_fewer_passages(generation: Generation) -> None:
    assert len(retriever(None).search(generation, "进程资源死锁", 50)) > 2
    assert len(retriever(None, candidates=2).search(generation, "进程资源死锁", 50)) == 2


class Backwards:
    """A reranker that turns the order around and remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def rerank(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        self.given = ids(passages)
        return list(reversed(passages))


@pytest.mark.parametrize(("top_k", "read"), [(2, 4), (6, 6)])
def test_a_reranker_reads_more_passages_than_are_wished_and_orders_them(
    opened: Generation, top_k: int, read: int
) -> None:
    usual = ids(both_legs().search(opened, "死锁", 50))
    reranker = Backwards()
    one = Retriever(bundled_embedder(), RetrievalSettings(rerank=4), 0.1, reranker)
    assert ids(one.search(opened, "死锁", top_k)) == usual[:read][::-1][:top_k]
    assert reranker.given == usual[:read]


def test_a_generation_that_says_nothing_of_refusals_is_refused(opened: Generation) -> None:
    opened.manifest = opened.manifest.model_copy(update={"calibration": None})
    with pytest.raises(GenerationCorrupt, match="refuses") as caught:
        both_legs().search(opened, "死锁", 5)
    assert "keben rebuild --force" in caught.value.mend
