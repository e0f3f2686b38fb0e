"""JSON files: every shape of row, whatever the ending, and errors that name the row."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import DatasetError
from finetune.conversations import Conversation, Exchange
from finetune.dataset.agent import ENVIRONMENT
from finetune.dataset.found import Found
from finetune.dataset.json_files import read_json
from finetune.dataset.settings import SourceSettings

DATA = Path(__file__).parents[4] / "shared" / "data"


def read(folder: Path, *rows: Any, name: str = "a.jsonl", **settings: Any) -> Found:
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return read_json(path, name, SourceSettings(path=path, **settings))


def one(folder: Path, row: Any, **settings: Any) -> Conversation:
    (kept,) = read(folder, row, **settings).kept
    return kept


SIMPLE = (Exchange("甲", "乙"),)


@pytest.mark.parametrize(
    ("row", "exchanges"),
    [
        ({"conversation": [{"input": "甲", "output": "乙"}]}, SIMPLE),
        ({"conversation": [{"system": "s", "input": "甲", "output": "乙"}]}, (Exchange("甲", "乙", "s"),)),
        ({"instruction": "甲", "input": "", "output": "乙"}, SIMPLE),
        (
            {"instruction": "译", "input": "x", "output": "y", "system": "s", "history": [["p", "q"]]},
            (Exchange("p", "q", "s"), Exchange("译\nx", "y")),
        ),
        ({"conversations": [{"from": "human", "value": "甲"}, {"from": "gpt", "value": "乙"}]}, SIMPLE),
        (
            {
                "conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "甲"}],
                "chosen": {"from": "gpt", "value": "乙"},
                "rejected": {"from": "gpt", "value": "丙"},
            },
            (Exchange("甲", "乙", "s"),),
        ),
        ({"conversations": [{"role": "user", "content": "甲"}, {"role": "assistant", "content": "乙"}]}, SIMPLE),
        ({"messages": [{"role": "user", "content": "甲"}, {"role": "assistant", "content": "乙"}]}, SIMPLE),
        ({"question": "甲", "answer": "乙"}, SIMPLE),
        ({"问题": "甲", "答案": "乙", "解析": "丙"}, (Exchange("甲", "乙\n\n丙"),)),
        ({"prompt": "甲", "response": "乙"}, SIMPLE),
        ({"question": "甲", "options": {"A": "x", "B": "y"}, "answer": "B"}, (Exchange("甲\nA. x\nB. y", "B. y"),)),
        ({"question": "甲", "choices": ["x", "y"], "answer": "y"}, (Exchange("甲\nA. x\nB. y", "B. y"),)),
        ({"question": "甲", "A": "x", "B": "y", "answer": "A"}, (Exchange("甲\nA. x\nB. y", "A. x"),)),
        ({"question": "甲 A. x B. y", "answer": "B"}, (Exchange("甲\nA. x\nB. y", "B. y"),)),
    ],
)
def test_shapes(tmp_path: Path, row: Any, exchanges: tuple[Exchange, ...]) -> None:
    assert one(tmp_path, row) == Conversation(exchanges, "question", "a.jsonl, line 1")


def test_arrays_and_lines_whatever_the_ending(tmp_path: Path) -> None:
    row = {"question": "甲", "answer": "乙"}
    assert read(tmp_path, [row, row], name="a.jsonl").rows == 2
    assert read(tmp_path, row, row, name="a.json").rows == 2
    assert read(tmp_path, {"data": [row]}, name="a.json").rows == 1
    (tmp_path / "b.json").write_text(json.dumps({"data": [row, row]}, indent=2), encoding="utf-8")
    assert read_json(tmp_path / "b.json", "b.json", SourceSettings(path=tmp_path / "b.json")).rows == 2


def test_a_system_prompt_for_rows_that_bring_none(tmp_path: Path) -> None:
    assert one(tmp_path, {"question": "甲", "answer": "乙"}, system="s").exchanges[0].system == "s"


def test_a_system_prompt_stands_where_it_begins_to_be_in_force(tmp_path: Path) -> None:
    turns = [{"system": system, "input": "甲", "output": "乙"} for system in ("s", "", "s", "t", "t")]
    made = one(tmp_path, {"conversation": turns}, system="other")
    assert [exchange.system for exchange in made.exchanges] == ["s", "", "", "t", ""]


def test_named_fields(tmp_path: Path) -> None:
    columns = {"question": "ask_me", "answer": "tell_me"}
    assert one(tmp_path, {"ask_me": "甲", "tell_me": "乙"}, columns=columns).exchanges == SIMPLE
    with pytest.raises(DatasetError, match='line 1: no "ask_me"'):
        read(tmp_path, {"x": "甲"}, columns=columns)


def test_tools_are_called_in_the_words_of_internlm2(tmp_path: Path) -> None:
    row = {
        "tools": [{"type": "function", "function": {"name": "weather"}}],
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "天气？"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"function": {"name": "weather", "arguments": '{"city": "上海"}'}}],
            },
            {"role": "tool", "content": '{"t": 22}'},
            {"role": "assistant", "content": "22 度"},
        ],
    }
    made = one(tmp_path, row)
    system = 's<|im_end|>\n<|im_start|>system name=<|plugin|>\n[{"name": "weather"}]'
    call = '<|action_start|><|plugin|>\n{"name": "weather", "parameters": {"city": "上海"}}<|action_end|>'
    assert made.kind == "agent"
    assert made.exchanges == (
        Exchange("天气？", call, system),
        Exchange(f'{ENVIRONMENT}{{"t": 22}}', "22 度"),
    )


def test_feedback_is_taken_when_a_person_has_reviewed_it(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"question": "甲", "answer": "旧", "corrected_answer": "新", "reviewed": True, "passage": "书"},
        {"question": "乙", "answer": "好", "reviewed": True},
        {"question": "丙", "answer": "坏", "rating": "down", "reviewed": True},
        {"question": "丁", "answer": "好", "reviewed": False},
        {"question": "戊", "answer": "", "reviewed": True},
    )
    assert [(row.exchanges[0].output, row.kind, row.passage) for row in found.kept] == [
        ("新", "feedback", "书"),
        ("好", "feedback", ""),
    ]
    assert [row.reason for row in found.left_out] == [
        "the answer was rated down and not corrected",
        "nobody has reviewed it",
        "the answer is empty",
    ]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ([1], "is not a JSON object"),
        ({"foo": "x"}, "a row with foo is of no known shape"),
        ({"conversation": "x"}, "\"conversation\" is 'x', not a list of objects"),
        ({"conversation": []}, "not a list of objects"),
        ({"instruction": "x", "output": {"a": 1}}, '"output" is .* not text'),
        ({"messages": [{"role": "robot", "content": "x"}]}, "\"role\" is 'robot'"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "the first turn is not the user's"),
        ({"conversations": [{"from": "x", "value": "y"}]}, "\"from\" is 'x'"),
        ({"question": "x", "options": "none", "answer": "A"}, "the options 'none' cannot be told apart"),
        ({"conversation": [{"input": "a", "output": "b"}], "kind": "poem"}, "\"kind\" is 'poem'"),
    ],
)
def test_a_row_of_no_shape_is_named(tmp_path: Path, row: Any, fault: str) -> None:
    with pytest.raises(DatasetError, match=rf"a\.jsonl, (line|row) 2: .*{fault}" if isinstance(row, dict) else fault):
        read(tmp_path, {"question": "甲", "answer": "乙"}, row)


def test_a_line_that_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"question": "甲", "answer": "乙"}\n{"question": \n', encoding="utf-8")
    with pytest.raises(DatasetError, match=r"a\.jsonl, line 2: not JSON"):
        read_json(path, "a.jsonl", SourceSettings(path=path))


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("finetune/AMchat_dataset.json", 50),
        ("finetune/alpaca_zh_demo.json", 1000),
        ("finetune/assistant408_answer2.json", 363),
        ("finetune/dpo_zh_demo_100.json", 100),
        ("mcq/assistant408_400.jsonl", 400),
        ("mcq/cmmlu_half_a.jsonl", 532),
    ],
)
def test_real_files(name: str, rows: int) -> None:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"no {path}: the shared data is not beside this checkout")
    found = read_json(path, path.name, SourceSettings(path=path))
    assert (found.rows, len(found.kept), found.left_out) == (rows, rows, [])
