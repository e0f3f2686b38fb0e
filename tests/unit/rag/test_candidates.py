"""Candidates of both legs, and what speaks for each, on a small knowledge base."""

from collections.abc import Collection

import numpy as np
import pytest
from made_generations import SCALE

from rag.candidates import FEATURES, CandidateFinder, Candidates
from vector_db.embedder import Embedder, bundled_embedder
from vector_db.manifest import CosineScale
from vector_db.reader import Generation

QUESTIONS = ["死锁的必要条件", "deadlock", "线程共享什么资源？", "TCP handshake", "银行家 transaction 页面"]


def found(
    opened: Generation,
    question: str,
    *,
    embedder: Embedder | None = None,
    each: int = 50,
    scale: CosineScale | None = SCALE,
    books: Collection[str] | None = None,
    without: np.ndarray | None = None,
) -> Candidates:
    finder = CandidateFinder(embedder, each, max_unknown_rate=0.1)
    return finder.find(opened, question, scale, books=books, without=without)


def column(candidates: Candidates, name: str) -> np.ndarray:
    return candidates.features[:, FEATURES.index(name)]


def ids(opened: Generation, candidates: Candidates) -> list[str]:
    return [opened.ids[row] for row in candidates.rows]


@pytest.mark.parametrize("question", QUESTIONS)
def test_there_is_a_row_and_a_feature_of_each_kind_for_every_candidate(opened: Generation, question: str) -> None:
    candidates = found(opened, question, embedder=bundled_embedder())
    assert candidates.features.shape == (len(candidates.rows), len(FEATURES)) and len(candidates.rows) > 0
    assert candidates.rows.tolist() == sorted(set(candidates.rows.tolist()))
    assert np.isfinite(candidates.features).all()


def test_without_an_embedder_only_passages_with_words_of_the_question_are_candidates(opened: Generation) -> None:
    candidates = found(opened, "银行家算法")
    texts = [chunk.text for chunk in opened.store.get(ids(opened, candidates))]
    assert texts and all("算法" in text or "银行" in text for text in texts)
    assert (column(candidates, "cosine") == 0).all()
    assert len(found(opened, "红烧肉怎么做？").rows) == 0


def test_the_dense_leg_adds_what_shares_no_word(opened: Generation) -> None:
    alone, both = found(opened, "rollback"), found(opened, "rollback", embedder=bundled_embedder(), each=3)
    assert len(alone.rows) == 0 and len(both.rows) == 3
    vectors = opened.vectors @ bundled_embedder().encode_queries(["rollback"])[0]
    nearest = np.argsort(-vectors)[:3]
    assert set(opened.vector_rows[both.rows]) == set(nearest)


def test_a_leg_gives_no_more_than_it_is_asked_for(opened: Generation) -> None:
    assert len(found(opened, "死锁进程资源", each=2).rows) == 2
    assert 2 <= len(found(opened, "死锁进程资源", each=2, embedder=bundled_embedder()).rows) <= 4
    best = found(opened, "死锁进程资源", each=50)
    kept = found(opened, "死锁进程资源", each=2)
    assert set(np.argsort(-column(best, "keywords"))[:2]) == {best.rows.tolist().index(row) for row in kept.rows}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("books", [{"os"}, {"notes", "nets"}, {"nobody"}, set()])
def test_only_the_books_named_are_looked_in_by_both_legs(opened: Generation, question: str, books: set[str]) -> None:
    candidates = found(opened, question, embedder=bundled_embedder(), books=books)
    assert {chunk.book_id for chunk in opened.store.get(ids(opened, candidates))} <= books
    # Every passage with a vector is near enough where there are so few.
    read = {id_ for id_, row in zip(opened.ids, opened.vector_rows, strict=True) if row >= 0}
    assert {id_ for id_ in read if id_.split("-")[0] in books} <= set(ids(opened, candidates))


@pytest.mark.parametrize("question", QUESTIONS)
def test_all_books_named_are_no_bound(opened: Generation, question: str) -> None:
    free = found(opened, question, embedder=bundled_embedder())
    bound = found(opened, question, embedder=bundled_embedder(), books=set(opened.books))
    assert free.rows.tolist() == bound.rows.tolist()
    assert np.allclose(free.features, bound.features, atol=1e-5)


@pytest.mark.parametrize("question", QUESTIONS)
def test_rows_that_are_kept_out_of_sight_are_not_found(opened: Generation, question: str) -> None:
    before = found(opened, question, embedder=bundled_embedder())
    hidden = before.rows[: len(before.rows) // 2]
    after = found(opened, question, embedder=bundled_embedder(), without=hidden)
    assert not set(after.rows) & set(hidden)
    assert set(after.rows) == set(before.rows) - set(hidden)
    same = [before.rows.tolist().index(row) for row in after.rows]
    for name in ("keywords", "evidence", "anywhere", "stretch_20", "stretch_40", "exact", "cosine"):
        assert np.allclose(column(after, name), column(before, name)[same], atol=1e-5)


def test_books_and_hidden_rows_bound_together(opened: Generation) -> None:
    hidden = np.array([opened.row_of["os-0"], opened.row_of["nets-0"]])
    candidates = found(opened, "死锁", embedder=bundled_embedder(), books={"os"}, without=hidden)
    assert set(ids(opened, candidates)) == {f"os-{number}" for number in range(1, 7)}


def test_with_everything_hidden_nothing_is_found(opened: Generation) -> None:
    everything = np.arange(len(opened.ids))
    candidates = found(opened, "死锁", embedder=bundled_embedder(), without=everything)
    assert candidates.features.shape == (0, len(FEATURES))


@pytest.mark.parametrize("question", QUESTIONS)
def test_keywords_are_bm25_over_the_weight_of_the_question(opened: Generation, question: str) -> None:
    candidates = found(opened, question, embedder=bundled_embedder())
    scores = opened.lexical.scores(candidates.terms.all_names)[candidates.rows]
    assert column(candidates, "keywords") == pytest.approx(scores / candidates.terms.total)
    rarest = np.log(1 + (len(opened.ids) - 1 + 0.5) / (1 + 0.5))
    assert column(candidates, "evidence") == pytest.approx(scores / rarest)
    assert (column(candidates, "keywords") >= 0).all()


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_section_speaks_for_a_passage_by_its_three_best_others(opened: Generation, question: str) -> None:
    candidates = found(opened, question, embedder=bundled_embedder())
    keywords, sections = column(candidates, "keywords"), opened.sections[candidates.rows]
    for at, section in enumerate(sections):
        others = sorted(keywords[i] for i in range(len(sections)) if sections[i] == section and i != at)[-3:]
        assert column(candidates, "section")[at] == pytest.approx(sum(others) / len(others) if others else 0)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_cosine_is_in_deviations_and_0_where_the_embedder_read_no_passage(
    opened: Generation, question: str
) -> None:
    candidates = found(opened, question, embedder=bundled_embedder())
    vector = bundled_embedder().encode_queries([question])[0]
    for row, value in zip(candidates.rows, column(candidates, "cosine"), strict=True):
        place = opened.vector_rows[row]
        cosine = float(opened.vectors[place] @ vector)
        assert value == pytest.approx((cosine - SCALE.mean) / SCALE.deviation if place >= 0 else 0, abs=1e-5)
    if question.startswith("死锁"):
        assert "notes-1" in ids(opened, candidates)


@pytest.mark.parametrize("question", ["死锁 Взаимная блокировка", "死锁 デッドロックとは", "？？？"])
def test_a_question_that_the_embedder_cannot_read_is_left_to_the_words(opened: Generation, question: str) -> None:
    asked, alone = found(opened, question, embedder=bundled_embedder()), found(opened, question)
    assert asked.rows.tolist() == alone.rows.tolist()
    assert (column(asked, "cosine") == 0).all()


def test_without_a_scale_the_dense_leg_has_no_say(opened: Generation) -> None:
    candidates = found(opened, "rollback", embedder=bundled_embedder(), scale=None)
    assert len(candidates.rows) == 0


def test_another_name_of_a_term_finds_passages_too(opened: Generation) -> None:
    assert "os-1" in ids(opened, found(opened, "deadlock"))
    assert "deadlock" not in opened.store.get(["os-1"])[0].text
