"""The `keben` command on a real knowledge base."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from english_model import write_english_model

from cli.main import main
from core.settings import PROJECT, Settings
from vector_db.embedder import BUNDLED

PHYSICS = "# 物理\n\n## 热学\n\n### 比热容\n\n比热容是单位质量的物质升高单位温度所吸收的热量。\n"


class Run(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed for programs."""
        return json.loads(self.out)


Keben = Callable[..., Run]


@pytest.fixture
def keben(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Keben:
    """Runs a command in this process, in an empty folder and on a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, data: Path | None = None) -> Run:
        monkeypatch.setenv("KEBEN_DATA_DIR", str(data or tmp_path / "data"))
        monkeypatch.setattr(sys, "argv", ["keben", *arguments])
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        return Run(code, *capsys.readouterr())

    return run


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A folder with one small book."""
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "physics.md").write_text(PHYSICS, encoding="utf-8")
    return folder


def test_ask_prints_the_answer_and_where_it_stands(keben: Keben, library_settings: Settings) -> None:
    done = keben("ask", "死锁的四个必要条件是什么？", data=library_settings.data_dir)
    assert done.code == 0
    assert "4. 循环等待条件" in done.out
    assert "[1] 操作系统 (os.md) > 死锁 > 死锁的必要条件" in done.out
    assert "(extractive, default, retrieve" in done.out


def test_ask_prints_json(keben: Keben, library_settings: Settings) -> None:
    done = keben("ask", "死锁的四个必要条件是什么？", "--top-k", "2", "--json", data=library_settings.data_dir)
    assert (done.code, done.err) == (0, "")
    assert "循环等待条件" in done.out and "\\u" not in done.out
    answer = done.json()
    assert set(answer) == {
        "answer", "citations", "refused", "reason", "model", "kb", "generation", "timings_ms", "search_query",
        "closest", "usage", "fallback", "unsupported", "trimmed", "id", "cached",
    }  # fmt: skip
    assert answer["citations"][0]["heading_path"] == ["死锁", "死锁的必要条件"]
    assert answer["refused"] is False


def test_ask_completes_a_question_from_those_before_it(keben: Keben, library_settings: Settings) -> None:
    done = keben("ask", "那它的必要条件有哪些？", "--after", "什么是死锁？", data=library_settings.data_dir)
    assert done.code == 0
    assert done.out.startswith("理解为：死锁的必要条件有哪些？\n") and "循环等待条件" in done.out


def test_a_refusal_says_why_and_is_no_failure(keben: Keben, library_settings: Settings) -> None:
    done = keben("ask", "红烧肉怎么做？", data=library_settings.data_dir)
    assert done.code == 0
    assert "不知道" in done.out and "低于阈值" in done.out
    asked = keben("ask", "红烧肉怎么做？", "--json", data=library_settings.data_dir)
    assert (asked.code, asked.json()["refused"], asked.json()["citations"]) == (0, True, [])


def test_search_prints_passages(keben: Keben, library_settings: Settings) -> None:
    done = keben("search", "银行家算法", data=library_settings.data_dir)
    assert done.code == 0
    assert re.match(r"1\. 操作系统 > 死锁 > 银行家算法 \(score \d\.\d{4}, relevance [01]\.\d\d\)\n", done.out)


def test_books_that_the_embedder_cannot_read_are_found_by_their_words_alone(
    keben: Keben, books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEBEN_EMBEDDING__MODEL", str(write_english_model(tmp_path / "english", ["heat"])))
    assert keben("rebuild", "--source", str(books)).code == 0
    status = keben("status").out
    assert "keywords only" in status and "keywords + vectors" not in status
    assert keben("search", "比热容").out.startswith("1. 物理 > 热学 > 比热容 (score ")
    assert "no passage" in keben("search", "红烧肉怎么做？").out
    refused = keben("ask", "红烧肉怎么做？")
    assert refused.code == 0 and "没有任何段落与问题有共同的词语" in refused.out


def test_a_weak_refusal_prints_where_to_look(keben: Keben, library_settings: Settings) -> None:
    done = keben("ask", "银行家信用卡透支利率怎么算？", data=library_settings.data_dir)
    assert done.code == 0
    assert "你可以看看：\n- 操作系统 (os.md) > 死锁 > 银行家算法 (relevance 0." in done.out


def test_ask_and_search_look_in_the_books_that_are_named(keben: Keben, library_settings: Settings) -> None:
    only = ("--book", "databases.md", "--book", "Computer Networks")
    found = keben("search", "死锁 transaction SYN", *only, "--json", data=library_settings.data_dir).json()
    assert {passage["source"] for passage in found["passages"]} == {"databases.md", "networks.html"}
    assert keben("ask", "什么是死锁？", *only, "--json", data=library_settings.data_dir).json()["refused"]
    unknown = keben("ask", "什么是死锁？", "--subject", "物理", "--json", data=library_settings.data_dir)
    assert (unknown.code, unknown.json()["error"]) == (2, "bad-setting") and "'物理'" in unknown.json()["message"]


def test_search_prints_json_like_the_server(keben: Keben, library_settings: Settings) -> None:
    done = keben("search", "银行家算法", "--top-k", "1", "--json", data=library_settings.data_dir)
    assert (done.code, done.err) == (0, "")
    assert "银行家算法" in done.out and "\\u" not in done.out
    (passage,) = done.json()["passages"]
    assert set(passage) == {
        "book", "source", "heading_path", "page", "page_label", "text", "score", "relevance", "start", "end"
    }  # fmt: skip
    assert passage["source"] == "os.md"


def test_status_names_the_embedder_and_how_well_it_reads_each_book(keben: Keben, library_settings: Settings) -> None:
    done = keben("status", data=library_settings.data_dir)
    assert done.code == 0
    assert f"embedder {BUNDLED} (256 dimensions" in done.out
    assert "3 books, " in done.out and str(library_settings.source_dir) in done.out
    lines = {word: line for line in done.out.splitlines() for word in ("os.md", "databases.md") if word in line}
    assert "操作系统" in lines["os.md"] and "keywords + vectors" in lines["os.md"]
    assert "0.0%" in lines["databases.md"] and "keywords + vectors" in lines["databases.md"]


def test_status_cuts_no_file_name_on_a_narrow_terminal(
    keben: Keben, library_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    done = keben("status", data=library_settings.data_dir)
    assert done.code == 0 and "…" not in done.out


def test_status_prints_json(keben: Keben, library_settings: Settings) -> None:
    done = keben("status", "--json", data=library_settings.data_dir)
    assert (done.code, done.err) == (0, "")
    assert "操作系统" in done.out and "\\u" not in done.out
    (base,) = done.json()["kbs"]
    assert (base["kb"], base["embedding"]["model"]) == ("default", BUNDLED)
    assert {book["source"]: book["dense"] for book in base["books"]} == {
        "os.md": True, "databases.md": True, "networks.html": True
    }  # fmt: skip
    assert keben("status", "--kb", "default", "--json", data=library_settings.data_dir).json() == done.json()


ERRORS: dict[str, tuple[list[str], int, str, str]] = {
    "ask without a knowledge base": (["ask", "什么是死锁？"], 1, "knowledge-base-missing", "keben rebuild"),
    "search without a knowledge base": (["search", "死锁"], 1, "knowledge-base-missing", "keben rebuild"),
    "status without a knowledge base": (["status"], 1, "knowledge-base-missing", "keben rebuild"),
    "status of one that is not there": (["status", "--kb", "nope"], 1, "knowledge-base-missing", "--kb nope"),
    "serve to others without a key": (["serve", "--host", "0.0.0.0", "--port", "0"], 1, "server", "keben keys create"),
    "rebuild of an empty folder": (["rebuild", "--source", "empty"], 1, "nothing-indexed", ".pdf"),
    "rebuild of a new kb without a folder": (["rebuild", "--kb", "new"], 2, "bad-setting", "--source"),
    "bad name": (["ask", "死锁", "--kb", "Bad Name"], 2, "bad-setting", "a-z"),
    "no host": (["serve", "--host", "", "--port", "0"], 2, "bad-setting", "correct"),
}


@pytest.mark.parametrize(("arguments", "code", "error", "mend"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_is_json_for_programs_and_text_for_people(
    keben: Keben, tmp_path: Path, arguments: list[str], code: int, error: str, mend: str
) -> None:
    (tmp_path / "empty").mkdir()
    told = keben(*arguments, "--json")
    assert told.code == code
    assert set(told.json()) == {"error", "message", "mend"}
    assert told.json()["error"] == error and told.json()["message"]
    assert mend in told.json()["mend"]
    said = keben(*arguments)
    assert (said.code, said.out) == (code, "")
    assert f"keben: {told.json()['message']}\n  → {told.json()['mend']}\n" in said.err


def test_a_blank_question_is_wrong_usage(keben: Keben, library_settings: Settings) -> None:
    for command in ("ask", "search"):
        done = keben(command, "  ", "--json", data=library_settings.data_dir)
        assert (done.code, done.json()["error"]) == (2, "bad-setting")


def test_a_bad_setting_is_named(keben: Keben, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEBEN_RETRIEVAL__TOP_K", "0")
    done = keben("status", "--json")
    assert done.code == 2
    assert "retrieval.top_k" in done.json()["message"]


def test_a_rebuild_of_good_books_ends_with_0_and_can_be_asked(keben: Keben, books: Path) -> None:
    built = keben("rebuild", "--kb", "physics", "--source", str(books), "--json")
    assert (built.code, built.err) == (0, "")
    report = built.json()
    assert (report["kb"], report["published"], report["exit_code"], report["chunks"]) == ("physics", True, 0, 1)
    assert [(file["source"], file["status"], file["title"]) for file in report["files"]] == [
        ("physics.md", "indexed", "物理")
    ]
    assert "物理" in built.out
    asked = keben("ask", "什么是比热容？", "--kb", "physics", "--json").json()
    assert "单位质量" in asked["answer"] and asked["generation"] == report["generation"]
    again = keben("rebuild", "--kb", "physics")
    assert again.code == 0
    assert "physics.md" in again.out and "unchanged" in again.out and "nothing changed" in again.out


def test_a_rebuild_with_a_bad_file_ends_with_3_and_serves_the_rest(keben: Keben, books: Path) -> None:
    (books / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    built = keben("rebuild", "--source", str(books))
    assert built.code == 3
    assert "failed: broken.pdf: " in built.out and "default: published, 1 passages" in built.out
    assert "failed: broken.pdf" in built.err and "indexed: physics.md (0 pages, 1 passages; file 2 of 2)" in built.err
    assert "failed: broken.pdf: " in keben("status").out
    assert "单位质量" in keben("ask", "什么是比热容？").out


def test_a_rebuild_of_nothing_but_bad_files_ends_with_1(keben: Keben, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    built = keben("rebuild", "--source", "bad", "--json")
    assert built.code == 1
    assert (built.json()["generation"], built.json()["files"][0]["status"]) == (None, "failed")
    assert keben("status").code == 1


def test_the_command_works_as_a_process(library_settings: Settings, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "ask", "什么是死锁？", "--json"],
        env={**os.environ, "KEBEN_DATA_DIR": str(library_settings.data_dir), "PYTHONPATH": str(PROJECT)},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answer"].startswith("死锁是指")
    assert "死锁是指" in done.stdout.decode("utf-8")
    assert done.stderr == b""


def test_a_library_is_looked_after_from_the_terminal(keben: Keben, books: Path) -> None:
    keben("rebuild", "--source", str(books))
    (books / "light.md").write_text("# 光学\n\n## 反射\n\n反射角等于入射角。\n", encoding="utf-8")
    planned = keben("rebuild", "--dry-run", "--source", str(books))
    assert planned.code == 0 and "a dry run, nothing was changed" in planned.out and "new" in planned.out
    assert keben("rebuild", "--only", "light.md", "--json").json()["published"]
    assert "light.md" in keben("report").out
    assert {file["source"] for file in keben("report", "--json").json()} == {"light.md", "physics.md"}
    whole = keben("verify", "--json").json()
    assert (whole["books"], whole["passages"]) == (2, 2)
    back = keben("rollback", "--json").json()
    assert back["instead_of"] == whole["generation"] and keben("verify", "--json").json()["books"] == 1
    wrong = keben("rebuild", "--only", "heat.md")
    assert wrong.code == 2 and "heat.md" in wrong.err and "light.md" in wrong.err
    assert keben("rebuild", "--watch", "--dry-run").code == 2
