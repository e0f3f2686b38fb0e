"""Questions made from the books themselves."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made_generations import CALIBRATION, SCALE, published

from core.settings import Settings
from core.text import language_of
from rag.candidates import CandidateFinder
from rag.probes import Kind, Probe, everyday_questions, make_probes
from vector_db.embedder import bundled_embedder
from vector_db.library import open_knowledge_base
from vector_db.reader import Generation

EACH = 12


@pytest.fixture(scope="module")
def library(library_settings: Settings) -> Iterator[Generation]:
    base = open_knowledge_base(library_settings, "default")
    with base.generation() as generation:
        yield generation
    base.close()


def probes(generation: Generation, each: int = EACH, seed: int = 0) -> list[Probe]:
    return make_probes(generation, bundled_embedder(), each, seed)


def told(made: list[Probe]) -> list[tuple[str, Kind, list[int] | None]]:
    return [(one.text, one.kind, None if one.without is None else one.without.tolist()) for one in made]


def of_kind(made: list[Probe], kind: Kind) -> list[Probe]:
    return [one for one in made if one.kind == kind]


def test_the_same_seed_asks_the_same_questions_and_another_one_others(library: Generation) -> None:
    assert told(probes(library)) == told(probes(library))
    assert told(probes(library)) != told(probes(library, seed=1))


def test_there_are_questions_of_each_kind_and_no_more_than_wished(library: Generation) -> None:
    for each in (1, 5, 100):
        made = probes(library, each)
        for kind in ("own", "near", "far"):
            assert 0 < len(of_kind(made, kind)) <= each


def test_questions_come_from_the_whole_library_in_its_languages(library: Generation) -> None:
    made = probes(library)
    assert {language_of(one.text) for one in of_kind(made, "own")} == {"zh", "en"}
    assert {language_of(one.text) for one in of_kind(made, "far")} == {"zh", "en"}
    assert all(one.text.strip() for one in made)


def test_a_question_of_the_books_own_hides_nothing_and_finds_something(library: Generation) -> None:
    finder = CandidateFinder(bundled_embedder(), 50, max_unknown_rate=0.1)
    for one in of_kind(probes(library), "own"):
        assert one.without is None
        assert len(finder.find(library, one.text, SCALE).rows) > 0


def test_a_near_question_hides_the_whole_section_that_answers_it(library: Generation) -> None:
    made = probes(library)
    own = {one.text for one in of_kind(made, "own")}
    hiding = [one for one in of_kind(made, "near") if one.without is not None]
    assert hiding
    finder = CandidateFinder(bundled_embedder(), 50, max_unknown_rate=0.1)
    for one in hiding:
        assert one.text in own and one.without is not None
        (section,) = set(library.sections[one.without].tolist())
        assert one.without.tolist() == np.flatnonzero(library.sections == section).tolist()
        assert not set(finder.find(library, one.text, SCALE, without=one.without).rows) & set(one.without)


def test_a_mixed_question_is_none_of_those_it_was_mixed_from(library: Generation) -> None:
    made = probes(library, 100)
    own = {one.text for one in of_kind(made, "own")}
    mixed = [one for one in of_kind(made, "near") if one.without is None]
    assert mixed and all(one.text not in own for one in mixed)


def test_a_far_question_is_of_everyday_life_or_hides_all_books_of_its_subject(library: Generation) -> None:
    everyday = {question for questions in everyday_questions().values() for question in questions}
    subjects = {book.subject for book in library.books.values()}
    rows = {
        tuple(np.flatnonzero(library.rows_of({b.id for b in library.books.values() if b.subject == subject})))
        for subject in subjects
    }
    made = of_kind(probes(library), "far")
    assert any(one.without is None for one in made) and any(one.without is not None for one in made)
    for one in made:
        assert one.text in everyday if one.without is None else tuple(one.without) in rows


def test_where_a_section_is_nearly_all_of_a_library_it_is_not_hidden(tmp_path: Path) -> None:
    text = "进程是程序在一个数据集合上的一次执行过程，它有自己的地址空间和资源。"
    folder = published(tmp_path, {"os": [(("进程", str(number)), text) for number in range(5)]}, CALIBRATION)
    generation = Generation(folder)
    made = probes(generation)
    generation.retire()
    assert len(of_kind(made, "own")) == EACH
    assert all(one.without is None for one in made)


def test_an_empty_library_asks_nothing(tmp_path: Path) -> None:
    generation = Generation(published(tmp_path, {}, CALIBRATION))
    made = probes(generation)
    generation.retire()
    assert made == []


def test_passages_without_a_sentence_long_enough_ask_nothing(tmp_path: Path) -> None:
    generation = Generation(published(tmp_path, {"os": [(("进程",), "进程。"), (("线程",), "$x$")]}, CALIBRATION))
    made = probes(generation)
    generation.retire()
    assert of_kind(made, "own") == of_kind(made, "near") == []


def test_everyday_questions_are_in_the_language_they_stand_under() -> None:
    for language, questions in everyday_questions().items():
        assert len(set(questions)) == len(questions) > 20
        assert {language_of(question) for question in questions} == {language}
