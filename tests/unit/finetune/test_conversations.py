from pathlib import Path

import pytest

from core.errors import DatasetError
from finetune.conversations import KINDS, Conversation, Exchange, read_conversations, write_conversations


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    conversations = [
        Conversation(
            (Exchange("什么是死锁？\n", "互相等待\u2028。", "你是助教。"), Exchange("再说", "好")),
            kind,
            "a.xlsx, row 2",
            "第 3 章",
        )
        for kind in KINDS
    ]
    write_conversations(tmp_path / "train.jsonl", conversations)
    assert read_conversations(tmp_path / "train.jsonl") == conversations
    assert "死锁" in (tmp_path / "train.jsonl").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not a conversation"),
        ("[]", "not a conversation"),
        ('{"conversation": [{"input": 3}]}', '"input" is 3, not text'),
        ('{"conversation": []}', "0 exchanges"),
        ('{"conversation": [{"input": "a", "output": "b"}], "kind": "poem"}', "'poem'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"conversation": [{"input": "a", "output": "b"}]}\n' + line, encoding="utf-8")
    with pytest.raises(DatasetError, match="line 2") as caught:
        read_conversations(path)
    assert said in caught.value.message


def test_a_missing_file_and_a_full_disk_are_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read_conversations(tmp_path / "none.jsonl")
    with pytest.raises(DatasetError, match="cannot be written"):
        write_conversations(tmp_path / "no folder" / "train.jsonl", [])
