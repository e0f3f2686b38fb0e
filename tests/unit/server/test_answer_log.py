"""What is kept of answers."""

import fcntl
import json
import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.feedback import training_rows
from cli.main import main
from core.errors import AnswerMissing, StorageError
from core.settings import PROJECT
from core.types import Answer, Book, Chunk, Passage
from server.answer_log import AnswerLog
from server.gaps import gaps_of

ANSWER = Answer("死锁是互相等待。[1]", (), False, None, "extractive", "default", "g1")
DAY = 86400


class Clock:
    now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[AnswerLog]:
    opened = AnswerLog(tmp_path, 30, clock)
    yield opened
    opened.close()


def passage(heading: str, relevance: float) -> Passage:
    chunk = Chunk("c", "b", 0, 0, ("第5章 死锁", heading), 29, "25", 0, 2, "死锁", ())
    return Passage(chunk, Book("b", "os.pdf", "操作系统", "操作系统", "zh"), 1.0, relevance)


def everything(kb: str) -> bool:
    return True


def kept(folder: Path) -> int:
    """Answers in the file, as another process sees it."""
    db = sqlite3.connect(folder / "answers.sqlite")
    (count,) = db.execute("SELECT count(*) FROM answers").fetchone()
    db.close()
    return int(count)


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def content(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_feedback_is_tied_to_the_answer_and_replaced_by_a_later_one(log: AnswerLog) -> None:
    log.record("什么是死锁？", [passage("定义", 0.9)], ANSWER)
    log.give_feedback(ANSWER.id, everything, "down", "不完整", "")
    log.give_feedback(ANSWER.id, everything, "up", "", "死锁是……")
    (record,) = log.feedback("default")
    assert (record.question, record.answer) == ("什么是死锁？", ANSWER.answer)
    assert (record.thumb, record.comment, record.corrected, record.state) == ("up", "", "死锁是……", "new")
    assert log.feedback("physics") == []


def test_an_answer_that_is_not_there_and_one_that_may_not_be_seen_are_the_same(log: AnswerLog) -> None:
    log.record("什么是死锁？", [], ANSWER)
    with pytest.raises(AnswerMissing) as unknown:
        log.give_feedback("a" + "0" * 32, everything, "up", "", "")
    with pytest.raises(AnswerMissing) as unseen:
        log.give_feedback(ANSWER.id, lambda kb: kb == "physics", "up", "", "")
    assert unknown.value.mend == unseen.value.mend
    assert unseen.value.message == f"there is no answer '{ANSWER.id}'"
    assert log.feedback("default") == []


def test_answers_are_forgotten_in_time_and_feedback_stays(tmp_path: Path, clock: Clock) -> None:
    log = AnswerLog(tmp_path, 30, clock)
    log.record("什么是死锁？", [], ANSWER)
    log.give_feedback(ANSWER.id, everything, "up", "", "")
    clock.now += 31 * DAY
    log.record("什么是活锁？", [], replace(ANSWER, id="a" + "1" * 32))
    log.flush()
    with pytest.raises(AnswerMissing):
        log.give_feedback(ANSWER.id, everything, "up", "", "")
    assert len(log.feedback("default")) == 1
    log.close()


def test_with_no_days_nothing_is_kept(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path, 0)
    log.record("什么是死锁？", [], ANSWER)
    with pytest.raises(AnswerMissing) as caught:
        log.give_feedback(ANSWER.id, everything, "up", "", "")
    assert "KEEP_ANSWERS_DAYS" in caught.value.mend
    with pytest.raises(AnswerMissing, match="no questions are kept"):
        log.asked("default", 0, 1, 100)
    log.close()
    assert "死锁".encode() not in content(tmp_path)


@pytest.mark.parametrize("days", [30, 0])
def test_what_is_too_old_goes_when_the_service_starts(tmp_path: Path, clock: Clock, days: int) -> None:
    before = AnswerLog(tmp_path, 30, clock)
    before.record("什么是死锁？", [], ANSWER)
    before.close()
    assert kept(tmp_path) == 1 and "死锁".encode() in content(tmp_path)
    clock.now += 31 * DAY
    log = AnswerLog(tmp_path, days, clock)
    eventually(lambda: kept(tmp_path) == 0)
    log.close()
    assert "死锁".encode() not in content(tmp_path)


def test_what_is_too_old_goes_while_nobody_asks(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.answer_log._LOOK_SECONDS", 0.01)
    log = AnswerLog(tmp_path, 30, clock)
    log.record("什么是死锁？", [], ANSWER)
    log.flush()
    clock.now += 29 * DAY
    log.flush()
    assert kept(tmp_path) == 1
    clock.now += 2 * DAY
    eventually(lambda: kept(tmp_path) == 0)
    log.close()


def test_a_command_deletes_nothing_whatever_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = AnswerLog(tmp_path / ".service", 365, lambda: time.time() - 100 * DAY)
    service.record("什么是死锁？", [], ANSWER)
    service.close()
    monkeypatch.setenv("KEBEN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KEBEN_SERVER__KEEP_ANSWERS_DAYS", "0")
    monkeypatch.setattr("sys.argv", ["keben", "feedback", "list", "--json"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert json.loads(capsys.readouterr().out) == {"feedback": []}
    assert kept(tmp_path / ".service") == 1


def test_what_is_known_of_a_removed_knowledge_base_goes_with_it(log: AnswerLog) -> None:
    other = replace(ANSWER, id="a" + "1" * 32, kb="physics")
    for answer in (ANSWER, other):
        log.record("什么是死锁？", [], answer)
        log.give_feedback(answer.id, everything, "up", "", "")
    log.forget("physics")
    assert log.feedback("physics") == [] == log.asked("physics", 0, 1, 100)
    with pytest.raises(AnswerMissing):
        log.give_feedback(other.id, everything, "up", "", "")
    assert len(log.feedback("default")) == len(log.asked("default", 0, 1, 100)) == 1


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.database.WAIT_SECONDS", 0.1)
    log = AnswerLog(tmp_path, 30)
    log.record("什么是死锁？", [], ANSWER)
    log.flush()
    blocking = sqlite3.connect(tmp_path / "answers.sqlite", isolation_level=None)
    blocking.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match=r"answers\.sqlite cannot be used"):
        log.give_feedback(ANSWER.id, everything, "up", "", "")
    blocking.execute("ROLLBACK")
    blocking.close()
    log.give_feedback(ANSWER.id, everything, "up", "", "")
    log.close()


def test_where_too_many_wait_for_the_disk_the_rest_is_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("server.answer_log._MOST_WAITING", 3)
    monkeypatch.setattr("server.database.WAIT_SECONDS", 60)
    caplog.set_level(logging.WARNING)
    log = AnswerLog(tmp_path, 30)
    log.flush()
    blocking = sqlite3.connect(tmp_path / "answers.sqlite", isolation_level=None)
    blocking.execute("BEGIN IMMEDIATE")
    for number in range(10):
        log.record("什么是死锁？", [], replace(ANSWER, id=f"a{number:032x}"))
        if number == 0:
            eventually(log._waiting.empty)
    blocking.execute("ROLLBACK")
    blocking.close()
    log.close()
    assert kept(tmp_path) == 4
    assert [record.getMessage() for record in caplog.records] == [
        "6 answers were not kept for feedback: too many waited"
    ]


def test_workers_that_start_together_open_the_file_one_after_the_other(tmp_path: Path) -> None:
    opened = list[AnswerLog]()
    with (tmp_path / "answers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        worker = threading.Thread(target=lambda: opened.append(AnswerLog(tmp_path, 30)))
        worker.start()
        worker.join(0.2)
        assert not opened and not (tmp_path / "answers.sqlite").exists()
    worker.join(60)
    opened[0].close()


def test_two_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from core.types import Answer
from server.answer_log import AnswerLog
log = AnswerLog(Path(sys.argv[1]), 30)
for number in range(500):
    log.record("问", [], Answer("答", (), False, None, "m", "default", "g"))
    if number % 10 == 0:
        log.flush()
log.close()
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command, cwd=PROJECT) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert kept(tmp_path) == 1000


def test_only_this_user_may_read_the_file(log: AnswerLog, tmp_path: Path) -> None:
    log.flush()
    assert (tmp_path / "answers.sqlite").stat().st_mode & 0o077 == 0


def test_gaps_are_grouped_by_section_and_name_each_question_once(log: AnswerLog, clock: Clock) -> None:
    asked = [
        ("活锁是什么？", "定义", 0.2, True),
        ("活锁是什么", "定义", 0.2, True),
        ("饥饿是什么？", "定义", 0.45, False),
        ("量子纠缠？", "银行家算法", 0.05, True),
        ("什么是死锁？", "定义", 0.95, False),
    ]
    for number, (question, heading, relevance, refused) in enumerate(asked):
        clock.now += 1
        answer = replace(ANSWER, id=f"a{number:032x}", refused=refused)
        log.record(question, [passage("别处", 0.01), passage(heading, relevance)], answer)
    first, second = gaps_of(log.asked("default", clock.now - DAY, 0.5, 100))
    assert (first.book, first.heading, first.page) == ("操作系统", "第5章 死锁 › 定义", 29)
    assert (first.refused, first.weak, first.examples) == (2, 1, ("饥饿是什么？", "活锁是什么"))
    assert (second.heading, second.refused) == ("第5章 死锁 › 银行家算法", 1)
    assert log.asked("physics", 0, 1, 100) == []


def test_a_process_killed_while_it_writes_leaves_the_file_whole(tmp_path: Path) -> None:
    code = """
import itertools, sys
from pathlib import Path
from core.types import Answer
from server.answer_log import AnswerLog
log = AnswerLog(Path(sys.argv[1]), 30)
for number in itertools.count():
    log.record("问" * 500, [], Answer("答", (), False, None, "m", "default", "g"))
    if number == 2000:
        log.flush()
        print("on", flush=True)
        while True:
            log.record("问" * 500, [], Answer("答", (), False, None, "m", "default", "g"))
            log.flush()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=PROJECT, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "on\n"
        other = AnswerLog(tmp_path, 30)
        other.record("另一个进程", [], ANSWER)
        other.flush()
        process.kill()
    other.close()
    db = sqlite3.connect(tmp_path / "answers.sqlite")
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert db.execute("SELECT count(*) FROM answers").fetchone()[0] > 2000
    assert db.execute("SELECT count(*) FROM answers WHERE question = '另一个进程'").fetchone() == (1,)
    db.close()


def test_what_is_learnt_from_feedback(log: AnswerLog) -> None:
    def said(number: int, question: str, thumb: str, corrected: str = "", *, refused: bool = False) -> None:
        answer = replace(ANSWER, id=f"a{number:032x}", refused=refused)
        log.record(question, [], answer)
        log.give_feedback(answer.id, everything, "up" if thumb == "up" else "down", "", corrected)
        log.review("default", answer.id, "accepted")

    said(1, "什么是死锁？", "up")
    said(2, "什么是活锁？", "down")
    said(3, "什么是饥饿？", "down", "饥饿是长期得不到资源。[2]")
    said(4, "量子？", "up", refused=True)
    rows = training_rows(log.feedback("default", "accepted"))
    learnt = {row.exchanges[0].input: row.exchanges[0].output for row in rows}
    assert learnt == {"什么是死锁？": "死锁是互相等待。", "什么是饥饿？": "饥饿是长期得不到资源。"}
    assert {row.kind for row in rows} == {"feedback"}
