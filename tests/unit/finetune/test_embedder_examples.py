"""From a knowledge base to pairs, counterexamples and batches."""

import random
from pathlib import Path

import pytest
from course import PARTS, QUESTIONS, TOPICS, build_course

from core.errors import ConfigError
from core.settings import Settings
from finetune.embedder.books import Books, Example, make_examples, read_books, read_questions
from finetune.embedder.negatives import hard_negatives

PAIRS = [(row["question"], row["gold_text"]) for row in QUESTIONS]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return build_course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def books(settings: Settings) -> Books:
    return read_books(settings.data_dir, "course")


def test_chunks_become_sections(books: Books) -> None:
    assert len(books.sections) == len(TOPICS) * len(PARTS) == 36
    assert books.sections[1].path == ("数据结构", "栈", "栈的应用")
    for row, (body, number) in enumerate(zip(books.bodies, books.section_of, strict=True)):
        assert row in books.sections[number].rows and body in books.sections[number].bodies
    assert 2 <= sum(section.held_out for section in books.sections) <= 15


def test_what_is_held_out_is_in_no_pair_to_train_on(books: Books) -> None:
    examples = make_examples(books, PAIRS, 0)
    held_out = {section.number for section in books.sections if section.held_out}
    assert {example.section for example in examples.held_out} == held_out
    assert {example.section for example in examples.train} == {s.number for s in books.sections} - held_out
    assert {example.kind for example in examples.train} == {"heading", "sentence", "question"}
    assert make_examples(books, PAIRS, 0) == examples != make_examples(books, PAIRS, 1)


def test_a_question_belongs_to_the_section_that_holds_its_passage(books: Books) -> None:
    asked = [("栈能用来做什么？", "栈 常用于\n撤销操作。"), ("光是什么？", "光是一种电磁波，" * 3)]
    examples = make_examples(books, asked, 0)
    found = {example.query: example for example in (*examples.train, *examples.held_out) if example.kind == "question"}
    assert books.sections[found["栈能用来做什么？"].section].path[-1] == "栈的应用"
    assert found["光是什么？"].section == -1


def test_a_sentence_does_not_stand_in_its_passage(books: Books) -> None:
    examples = make_examples(books, [], 0)
    sentences = [example for example in examples.train if example.kind == "sentence"]
    assert sentences and not any(example.query in example.passage for example in sentences)


def test_counterexamples_are_near_and_from_sections_to_train_on(books: Books) -> None:
    train = make_examples(books, PAIRS, 0).train
    negatives = hard_negatives(books, train, 0)
    assert negatives == hard_negatives(books, train, 0)
    section_of = dict(zip(books.bodies, books.section_of, strict=True))
    for example, negative in zip(train, negatives, strict=True):
        section = books.sections[section_of[negative]]
        assert section.number != example.section and not section.held_out
    shared = sum(
        any(name in example.query and name in negative for name, *_ in TOPICS)
        for example, negative in zip(train, negatives, strict=True)
    )
    # Of one drawn by chance a seventeenth would name the topic.
    assert shared > len(train) / 5


def test_too_few_sections_are_refused(library_settings: Settings, tmp_path: Path) -> None:
    few = build_few(tmp_path)
    with pytest.raises(ConfigError, match="has 2 sections, too few"):
        read_books(few.data_dir, "course")


def build_few(folder: Path) -> Settings:
    from ingest.rebuild import rebuild

    (folder / "books").mkdir()
    (folder / "books" / "a.md").write_text("# 栈\n\n## 定义\n\n后进先出。\n\n## 应用\n\n撤销操作。\n", encoding="utf-8")
    settings = Settings(data_dir=folder / "data", source_dir=folder / "books", kb="course")
    assert rebuild(settings, "course").exit_code == 0
    return settings


def test_questions_are_read_under_either_name(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        '{"query": "一", "passage": "二"}\n\n{"question": "三", "gold_text": "四", "x": 1}\n', encoding="utf-8"
    )
    assert read_questions(path) == [("一", "二"), ("三", "四")]


@pytest.mark.parametrize(
    "line", ['{"query": "一"}', '{"query": "一", "passage": " "}', "[]", "{", '{"query": 1, "passage": "x"}']
)
def test_a_line_without_question_and_passage_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"pairs\.jsonl, line 2"):
        read_questions(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_questions(tmp_path / "absent.jsonl")


def test_no_batch_holds_two_of_a_section_or_a_text_twice() -> None:
    # Imported here: torch takes seconds, also for those who run other tests.
    from finetune.embedder.tuning import Triple, batches

    triples = [Triple(Example("heading", f"q{n % 9}", f"p{n}", n % 5 if n % 2 else -1), "negative") for n in range(40)]
    drawn, epoch = batches(triples, 4, random.Random(0)), list[Triple]()
    while len(epoch) < len(triples):
        batch = next(drawn)
        sections = [triple.example.section for triple in batch if triple.example.section >= 0]
        assert 1 <= len(batch) <= 4 and len(sections) == len(set(sections))
        assert len({triple.example.query for triple in batch}) == len(batch)
        epoch += batch
    assert sorted(map(id, epoch)) == sorted(map(id, triples))
