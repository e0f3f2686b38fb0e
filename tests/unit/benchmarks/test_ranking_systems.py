"""The systems that retrieval is measured against, on a small corpus."""

import json
from pathlib import Path

import pytest
from ranking.passages import window_passages
from ranking.run import run_set
from ranking.table import OURS, mean
from ranking.words import TOKENIZERS, bigrams, jieba_without_stop_words, jieba_words


def test_every_system_runs_on_a_small_corpus(tmp_path: Path) -> None:
    """English, so that every system can find what is there; a question about nothing keeps the scores below 1."""
    texts = {
        "p0": "A deadlock is a state in which processes wait for one another and none can go on.",
        "p1": "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
        "p2": "The three-way handshake of TCP opens a connection with SYN, SYN-ACK and ACK.",
    }
    rows = [{"pid": pid, "title": f"Article_{pid}", "text": text} for pid, text in texts.items()]
    asked = {"p0": "What is a deadlock?", "p1": "What does photosynthesis make?", "p2": "zzz qqq"}
    queries = [{"qid": pid, "query": text, "gold_pids": [pid]} for pid, text in asked.items()]
    folder = tmp_path / "small"
    folder.mkdir()
    for name, lines in (("corpus", rows), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    scores = run_set(folder, langchain=False)
    assert list(scores) == [*TOKENIZERS, "dense", "tutorial", OURS]
    # The file is one window, so the tutorial finds everything; BM25 finds no word of the last question.
    expected = {"tutorial": 1, **dict.fromkeys(TOKENIZERS, pytest.approx(2 / 3))}
    assert {name: mean(scores[name]["recall@5"]) for name in expected} == expected
    assert all(mean(scores[name]["mrr@10"]) >= 2 / 3 for name in ("dense", OURS))


def test_windows_cover_a_file_and_share_150_characters(tmp_path: Path) -> None:
    text = "".join(chr(0x4E00 + number) for number in range(1201))
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    (tmp_path / "b.md").write_text("短", encoding="utf-8")
    units = window_passages(tmp_path).units
    spans = [(unit.source, unit.start, unit.end) for unit in units]
    assert spans == [("a.md", 0, 500), ("a.md", 350, 850), ("a.md", 700, 1200), ("a.md", 1050, 1201), ("b.md", 0, 1)]
    assert units[1].text == text[350:850]


def test_the_tokenizers_cut_as_they_say() -> None:
    assert bigrams("什么是TCP连接？锁") == ["什么", "么是", "tcp", "连接", "锁"]
    words = jieba_words("什么是 TCP 连接？")
    assert "什么" in words and "tcp" in words and "连接" in words and "？" not in words
    assert jieba_without_stop_words("什么是 TCP 连接？") == ["tcp", "连接"]
