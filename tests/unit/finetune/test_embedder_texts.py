"""From training texts to pairs: what is held out, how documents are cut, what is put beside what."""

import random
from pathlib import Path

import pytest
from tiny_texts import GLOSSES, QUESTIONS, QUEUE_EN, STACK_ZH, write_rows, write_texts

from core.errors import ConfigError
from finetune.embedder.data import Document, TrainingData, Translation, is_held_out, read_training_data
from finetune.embedder.dictionary import collect
from finetune.embedder.pairs import cloze, gloss_pairs, make_pairs
from finetune.embedder.sections import Section, passages, sections, sentences


def test_a_fifth_of_the_texts_is_held_out_by_their_content(tmp_path: Path) -> None:
    rows = [{"query": f"问题{n}", "passage": f"第{n}段说明了什么是栈。"} for n in range(500)]
    write_rows(tmp_path / "a.jsonl", rows)
    data = read_training_data(tmp_path)
    assert 70 < data.held_out < 130
    assert data.held_out == sum(is_held_out(row["passage"]) for row in rows) == 500 - len(data.questions)
    write_rows(tmp_path / "a.jsonl", reversed(rows))
    assert sorted(read_training_data(tmp_path).questions) == sorted(data.questions)


def test_a_document_is_held_out_whole(tmp_path: Path) -> None:
    beginnings = [f"# 第{n}章\n\n" + "长" * 200 for n in range(100)]
    write_rows(tmp_path / "a.jsonl", [{"lang": "zh", "text": text} for text in beginnings])
    kept = {document.text for document in read_training_data(tmp_path).documents}
    write_rows(tmp_path / "a.jsonl", [{"lang": "zh", "text": text + "改"} for text in beginnings])
    assert {document.text for document in read_training_data(tmp_path).documents} == {text + "改" for text in kept}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "no language"}', "a row with text is of no known kind"),
        ('{"query": "栈？", "passage": " "}', "a row with query, passage is of no known kind"),
        ("[1]", "[1] is not a JSON object"),
        ("{", "not JSON"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_training_data(tmp_path)
    assert "a.jsonl, line 2" in caught.value.message and said in caught.value.message


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no"):
        read_training_data(tmp_path)
    (tmp_path / "a.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no texts to train on"):
        read_training_data(tmp_path)


def test_sections_of_markdown_latex_and_restructuredtext() -> None:
    assert [section.path for section in sections(STACK_ZH)] == [("栈",), ("栈", "栈的应用")]
    assert [section.path for section in sections(QUEUE_EN)] == [("Queues",), ("Queues", "Priority queues")]
    text = (
        "Before.\n\nLinks\n=====\n\nOne.\n\nFraming\n-------\n\n::\n\n  # no heading?\n\nTwo.\n\nNext\n====\n\nThree."
    )
    found = list(sections(text.replace("  # no heading?", "  int x;")))
    assert [section.path for section in found] == [(), ("Links",), ("Links", "Framing"), ("Next",)]
    assert [section.body for section in found] == ["Before.", "One.", "::\n\n  int x;\n\nTwo.", "Three."]


def test_a_comment_in_a_program_is_no_heading() -> None:
    assert list(sections("# 栈\n\n```python\n# 入栈\nx = 1\n```\n")) == [
        Section(("栈",), "```python\n# 入栈\nx = 1\n```"),
    ]


def test_passages_and_sentences() -> None:
    assert passages("aaaa\n\nbbbb\n\n\n\ncccccccccc\n\ndd", 8) == ["aaaa\n\nbbbb", "cccccccccc", "dd"]
    assert sentences("短。这是一个够长的句子。\n- 列表的一项也是一句\n结束", 6, 14) == [
        "这是一个够长的句子。",
        "- 列表的一项也是一句\n结束",
    ]
    assert sentences("One sentence. Another one? yes", 5, 40) == ["One sentence.", "Another one? yes"]


def test_a_sentence_is_taken_out_of_its_passage() -> None:
    passage = "栈是一种后进先出的线性表。元素只能在栈顶插入和删除。入栈和出栈都只需要常数时间。"
    for sentence, rest in cloze(passage, ["数据结构", "栈"], "zh", random.Random(0)):
        assert sentence in passage and sentence not in rest
        assert rest.removeprefix("数据结构 > 栈\n") == passage.replace(sentence, " ")
    assert list(cloze("只有一句话的一段文字。", [], "zh", random.Random(0))) == []


def test_pairs_of_every_kind(tmp_path: Path) -> None:
    data = TrainingData(
        documents=[Document("zh", STACK_ZH), Document("en", QUEUE_EN)],
        questions=QUESTIONS,
        translations=[Translation("栈很简单。它后进先出。", "A stack is simple. It is LIFO.", ("栈", "Stacks"))],
    )
    pairs = make_pairs(data, 0).pairs
    assert set(pairs) == {
        f"{language} {kind}" for language in ("zh", "en") for kind in ("heading", "headings", "sentence")
    } | {"question", "translation"}
    assert [left for left, _ in pairs["zh headings"]] == ["栈 栈的应用"]
    assert [left for left, _ in pairs["en heading"]] == ["queues", "priority queues"]
    # Traditional characters become Simplified ones: the embedder knows only these.
    assert ("什么是队列?".replace("?", "？"), "队列在一端插入，在另一端删除，最先进入的元素最先离开。") in pairs[
        "question"
    ]
    assert ("栈", "stacks") in pairs["translation"] and ("栈很简单。", "a stack is simple.") in pairs["translation"]
    assert make_pairs(data, 0).pairs == pairs
    assert make_pairs(data, 1).pairs["zh sentence"] != pairs["zh sentence"]


def test_nothing_that_is_held_out_is_in_a_pair(tmp_path: Path) -> None:
    rows = [{"query": f"问{n}", "passage": f"第{n}段。"} for n in range(60)]
    folder = write_texts(tmp_path / "texts")
    write_rows(folder / "more.jsonl", rows)
    made = make_pairs(read_training_data(folder), 0)
    held_out = {row["passage"] for row in rows if is_held_out(row["passage"])}
    assert held_out and not held_out & {*made.texts, *(text for pair in made.pairs["question"] for text in pair)}


def test_glosses_are_the_meanings_of_a_word_without_remarks() -> None:
    entries = [
        ("猫", ["cat", "CL:隻|只[zhi1]", "(dialect) to hide oneself", "(coll.) modem"]),
        ("死锁", ["deadlock (computing)"]),
        ("死锁", ["see 死結|死结[si3 jie2]"]),
        ("干", ["variant of 乾|干[gan1]"]),
        ("3C", ["computers"]),
    ]
    assert collect(entries) == {"猫": ("cat", "hide oneself", "modem"), "死锁": ("deadlock",)}


def test_only_words_of_the_vocabulary_are_put_beside_their_glosses() -> None:
    assert gloss_pairs(GLOSSES, {"栈", "图"}) == [("栈", "stack"), ("图", "diagram"), ("图", "graph")]
