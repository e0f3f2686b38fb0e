"""Hybrid retrieval over a real generation with the packaged embedder."""

from collections.abc import Iterator, Sequence

import pytest

from core.settings import RetrievalSettings, Settings
from rag.retrieve import Retriever, coverage, reciprocal_rank_fusion, term_weights
from vector_db.embedder import Embedder, Vectors, open_embedder
from vector_db.library import open_knowledge_base
from vector_db.reader import Generation

BEST_OF_ONE_LEG = round(1 / 61, 6)


class RecordingEmbedder(Embedder):
    """The packaged embedder, which remembers what questions it was asked to embed."""

    def __init__(self, settings: Settings) -> None:
        self._embedder = open_embedder(settings.embedding)
        self.questions: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        self.questions += texts
        return self._embedder.encode_queries(texts)

    def unknown_rate(self, text: str) -> float:
        return self._embedder.unknown_rate(text)


@pytest.fixture(scope="module")
def embedder(library_settings: Settings) -> RecordingEmbedder:
    return RecordingEmbedder(library_settings)


@pytest.fixture
def generation(library_settings: Settings) -> Iterator[Generation]:
    base = open_knowledge_base(library_settings, "default")
    with base.generation() as opened:
        yield opened
    base.close()


def retriever(embedder: Embedder | None, **changes: float) -> Retriever:
    return Retriever(embedder, RetrievalSettings(**changes), max_unknown_rate=0.1)


def test_fusion_adds_weight_over_k_plus_rank() -> None:
    fused = reciprocal_rank_fusion([(1.0, ["a", "b"]), (0.5, ["b", "c", "a"])], k=60)
    assert fused == pytest.approx({"a": 1 / 61 + 0.5 / 63, "b": 1 / 62 + 0.5 / 61, "c": 0.5 / 62})


def test_fusion_of_nothing_is_nothing() -> None:
    assert reciprocal_rank_fusion([(1.0, []), (0.5, [])], k=60) == {}


def test_a_small_k_favours_the_first_places() -> None:
    legs = [(1.0, ["a", "b", "c"]), (1.0, ["d", "b", "c"])]
    near, far = reciprocal_rank_fusion(legs, k=1), reciprocal_rank_fusion(legs, k=60)
    assert near["a"] / near["c"] == pytest.approx((1 / 2) / (2 / 4))
    assert far["a"] < far["c"]


def test_coverage_is_the_share_of_the_weight_of_the_question() -> None:
    weights = {"死锁": 3.0, "条件": 1.0}
    assert coverage(weights, ["死锁", "进程", "死锁"]) == 0.75
    assert coverage(weights, ["条件", "死锁"]) == 1.0
    assert coverage(weights, ["进程"]) == 0.0
    assert coverage({}, ["进程"]) == 0.0


def test_a_rare_term_weighs_more_than_a_common_one(generation: Generation) -> None:
    weights = term_weights("银行家算法和进程", generation.lexical)
    assert weights["银行家"] > weights["进程"] > 0


def test_a_chinese_question_does_not_reach_the_english_embedder(
    generation: Generation, embedder: RecordingEmbedder
) -> None:
    embedder.questions.clear()
    question = "死锁的四个必要条件是什么？"
    with_embedder = retriever(embedder).search(generation, question, 5)
    assert embedder.questions == []
    assert with_embedder == retriever(None).search(generation, question, 5)
    assert with_embedder[0].score == BEST_OF_ONE_LEG
    assert with_embedder[0].chunk.heading_path[-1] == "死锁的必要条件"


def test_an_english_question_takes_both_legs(generation: Generation, embedder: RecordingEmbedder) -> None:
    embedder.questions.clear()
    question = "What are the ACID properties?"
    best = retriever(embedder).search(generation, question, 5)[0]
    assert embedder.questions == [question]
    assert best.chunk.heading_path[-1] == "The ACID properties"
    assert best.score == round(1 / 61 + 0.5 / 61, 6)


def test_an_english_question_in_other_words_is_found_by_meaning(
    generation: Generation, embedder: RecordingEmbedder
) -> None:
    question = "rollback"
    assert retriever(None).search(generation, question, 3) == []
    found = retriever(embedder).search(generation, question, 3)
    assert {passage.book.source for passage in found} == {"databases.md"}


def test_passages_come_best_first_and_no_more_than_wished(generation: Generation, embedder: RecordingEmbedder) -> None:
    for top_k in (1, 3, 50):
        found = retriever(embedder).search(generation, "transaction log commit", top_k)
        assert 0 < len(found) <= top_k
        assert [passage.score for passage in found] == sorted((passage.score for passage in found), reverse=True)
        assert len({passage.chunk.id for passage in found}) == len(found)
        assert all(0 <= passage.relevance <= 1 for passage in found)


def test_relevance_is_coverage_where_the_embedder_has_no_say(generation: Generation) -> None:
    question = "银行家算法和量子力学"
    weights = term_weights(question, generation.lexical)
    best = retriever(None).search(generation, question, 1)[0]
    there = best.chunk.text + best.book.title
    known = sum(weight for term, weight in weights.items() if term in there)
    assert 0 < known < sum(weights.values())
    assert best.relevance == pytest.approx(known / sum(weights.values()), abs=1e-4)


def test_nothing_is_found_for_words_of_no_book(generation: Generation, embedder: RecordingEmbedder) -> None:
    assert retriever(embedder).search(generation, "红烧肉怎么做？", 5) == []


@pytest.mark.parametrize("question", ["What are the ACID properties?", "死锁 transaction SYN handshake"])
def test_all_books_named_are_no_bound(generation: Generation, embedder: RecordingEmbedder, question: str) -> None:
    free = retriever(embedder).search(generation, question, 50)
    bound = retriever(embedder).search(generation, question, 50, frozenset(generation.books))
    assert [(p.chunk.id, p.score) for p in bound] == [(p.chunk.id, p.score) for p in free]
    assert [p.relevance for p in bound] == pytest.approx([p.relevance for p in free], abs=1e-3)


@pytest.mark.parametrize("source", ["os.md", "databases.md", "networks.html"])
def test_only_the_books_named_are_searched_by_both_legs(
    generation: Generation, embedder: RecordingEmbedder, source: str
) -> None:
    book = next(book.id for book in generation.books.values() if book.source == source)
    one = retriever(embedder, candidates=3)
    found = one.search(generation, "死锁 transaction commit SYN packet log", 50, frozenset({book}))
    assert found and {passage.chunk.book_id for passage in found} == {book}
    assert one.search(generation, "红烧肉怎么做？", 50, frozenset({book})) == []


def test_the_nearest_of_a_book_are_found_however_far_they_are(
    generation: Generation, embedder: RecordingEmbedder
) -> None:
    networks = next(book.id for book in generation.books.values() if book.source == "networks.html")
    question = "rollback"
    free = retriever(embedder, candidates=3).search(generation, question, 3)
    assert networks not in {passage.chunk.book_id for passage in free}
    assert retriever(embedder, candidates=3).search(generation, question, 3, frozenset({networks}))


def test_fewer_candidates_leave_fewer_passages(generation: Generation) -> None:
    assert len(retriever(None).search(generation, "进程资源死锁", 50)) > 2
    assert len(retriever(None, candidates=2).search(generation, "进程资源死锁", 50)) == 2
