"""Terms of a question in the other language."""

import pytest

from vector_db.glossary import Glossary
from vector_db.tokenizer import tokens

PAIRS = [
    ("死锁", "deadlock"),
    ("死锁预防", "deadlock prevention"),
    ("进程控制块", "process control block"),
    ("进程控制块", "pcb"),
    ("进程", "process"),
]


@pytest.fixture(scope="module")
def glossary() -> Glossary:
    return Glossary(PAIRS)


def translated(glossary: Glossary, question: str) -> list[tuple[str, list[str]]]:
    """The terms that were translated, joined, and what they are called."""
    terms = tokens(question)
    return [(" ".join(terms[start:end]), names) for (start, end), names in glossary.translations(terms).items()]


def test_a_term_is_named_in_the_other_language_both_ways(glossary: Glossary) -> None:
    assert translated(glossary, "什么是死锁？") == [("死锁", ["deadlock"])]
    assert translated(glossary, "How do deadlocks arise?") == [("deadlock", ["死锁"])]


def test_the_longest_term_is_meant(glossary: Glossary) -> None:
    assert translated(glossary, "死锁预防") == [("死锁 预防", ["deadlock", "prevent"])]
    assert translated(glossary, "deadlock prevention") == [("deadlock prevent", ["死锁", "预防"])]
    assert translated(glossary, "死锁检测") == [("死锁", ["deadlock"])]


def test_a_term_of_several_names_has_the_words_of_all(glossary: Glossary) -> None:
    ((_, names),) = translated(glossary, "进程控制块")
    assert sorted(names) == ["block", "control", "pcb", "process"]
    assert translated(glossary, "pcb") == [("pcb", ["进程", "控制", "块"])]


def test_terms_side_by_side_are_all_found_in_order(glossary: Glossary) -> None:
    assert translated(glossary, "process control blocks, deadlocks and processes") == [
        ("process control block", ["进程", "控制", "块"]),
        ("deadlock", ["死锁"]),
        ("process", ["进程"]),
    ]


def test_a_term_at_the_end_that_begins_a_longer_one_is_found(glossary: Glossary) -> None:
    assert translated(glossary, "control of a process") == [("process", ["进程"])]


def test_other_questions_and_an_empty_glossary_give_nothing(glossary: Glossary) -> None:
    assert translated(glossary, "红烧肉怎么做？") == [] and glossary.translations([]) == {}
    assert Glossary().translations(tokens("什么是死锁？")) == {}


def test_a_name_of_question_words_alone_is_left_out() -> None:
    assert translated(Glossary([("死锁", "the"), ("什么", "what")]), "死锁是什么") == []
