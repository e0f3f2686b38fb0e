"""Batches, answers that are given again, feedback and gaps, over the real application."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fakes import copy_knowledge_bases, serving
from fastapi.testclient import TestClient

from cli.main import main
from core.settings import PROJECT, ServerSettings, Settings
from finetune.conversations import read_conversations

QUESTION = "死锁的四个必要条件是什么？"
UNANSWERED = "量子纠缠如何用于隐形传态？"


@pytest.fixture
def settings(tmp_path: Path, library_settings: Settings) -> Settings:
    copy_knowledge_bases(library_settings, tmp_path / "data")
    shutil.copytree(tmp_path / "data" / "default", tmp_path / "data" / "physics")
    return Settings(data_dir=tmp_path / "data", source_dir=library_settings.source_dir)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with serving(settings) as opened:
        yield opened


def ask(client: TestClient, question: str, **more: Any) -> dict[str, Any]:
    response = client.post("/ask", json={"question": question, **more})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_the_same_question_is_answered_from_before_under_an_id_of_its_own(client: TestClient) -> None:
    first, second = ask(client, QUESTION), ask(client, QUESTION.replace("？", "?"))
    assert (first["cached"], second["cached"]) == (False, True)
    assert first["id"] != second["id"] and set(second["timings_ms"]) == {"total"}
    changing = {"id", "cached", "timings_ms"}
    assert {k: v for k, v in first.items() if k not in changing} == {
        k: v for k, v in second.items() if k not in changing
    }
    with client.stream("POST", "/ask", json={"question": QUESTION, "stream": True}) as response:
        lines = [line for line in response.iter_lines() if line]
    assert [line for line in lines if line.startswith("event")] == ["event: retrieval", "event: token", "event: done"]
    assert json.loads(lines[-1].removeprefix("data: "))["cached"]
    for other in ({"kb": "physics"}, {"top_k": 3}, {"mode": "exam"}, {"books": ["os.md"]}):
        assert not ask(client, QUESTION, **other)["cached"]
    refused, again = ask(client, UNANSWERED), ask(client, UNANSWERED)
    assert refused["refused"] and again["refused"] and again["cached"] and again["closest"] == refused["closest"]


def test_the_same_question_many_times_at_once_has_one_answer_under_many_ids(client: TestClient) -> None:
    with ThreadPoolExecutor(10) as pool:
        bodies = list(pool.map(lambda _: ask(client, QUESTION), range(10)))
    assert len({body["id"] for body in bodies}) == 10
    assert len({json.dumps([body["answer"], body["citations"], body["refused"]]) for body in bodies}) == 1


def test_switched_off_every_answer_is_new(settings: Settings) -> None:
    with serving(settings.model_copy(update={"server": ServerSettings(cache_answers=0)})) as client:
        assert [ask(client, QUESTION)["cached"] for _ in range(2)] == [False, False]


def test_a_batch_is_answered_in_order_and_one_bad_question_spoils_no_other(client: TestClient) -> None:
    questions = [
        {"question": QUESTION},
        {"question": "What is a transaction?", "kb": "nowhere"},
        {"question": "   "},
        {"question": "What are the ACID properties?", "books": ["databases.md"]},
    ]
    response = client.post("/ask/batch", json={"questions": questions})
    assert response.status_code == 200, response.text
    first, second, third, fourth = response.json()["results"]
    assert "循环等待" in first["answer"]["answer"] and first["problem"] is None
    assert second["answer"] is None and second["problem"]["status"] == 404
    assert third["problem"]["status"] == 422
    assert "Atomicity" in fourth["answer"]["answer"]
    assert client.post("/ask/batch", json={"questions": []}).status_code == 422
    assert client.post("/ask/batch", json={"questions": [{"question": "x"}] * 33}).status_code == 422


def test_feedback_is_given_reviewed_and_exported_to_train_on(
    client: TestClient, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    good, bad, unseen = ask(client, QUESTION), ask(client, "什么是死锁？"), ask(client, "什么是线程？")
    for body in (
        {"answer_id": good["id"], "thumb": "up"},
        {"answer_id": bad["id"], "thumb": "down", "comment": "太短", "corrected_answer": "死锁是互相等待。"},
        {"answer_id": unseen["id"], "thumb": "up"},
    ):
        assert client.post("/feedback", json=body).status_code == 201
    assert client.post("/feedback", json={"answer_id": "a" + "0" * 32, "thumb": "up"}).status_code == 404
    assert client.post("/feedback", json={"answer_id": good["id"], "thumb": "sideways"}).status_code == 422
    found = client.get("/kbs/default/feedback", params={"state": "new"}).json()["feedback"]
    assert [row["answer_id"] for row in found] == [unseen["id"], bad["id"], good["id"]]
    assert client.get("/kbs/physics/feedback").json() == {"feedback": []}
    for answer, state in ((good, "accepted"), (bad, "accepted"), (unseen, "rejected")):
        reviewed = client.post(f"/kbs/default/feedback/{answer['id']}", json={"state": state})
        assert reviewed.json()["state"] == state
    assert client.post(f"/kbs/physics/feedback/{good['id']}", json={"state": "accepted"}).status_code == 404

    out = tmp_path / "rows.jsonl"
    monkeypatch.setenv("KEBEN_DATA_DIR", str(settings.data_dir))
    monkeypatch.setattr("sys.argv", ["keben", "feedback", "export", "--out", str(out), "--json"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert json.loads(capsys.readouterr().out)["rows"] == 2
    learnt = {row.exchanges[0].input: row.exchanges[0].output for row in read_conversations(out)}
    assert learnt["什么是死锁？"] == "死锁是互相等待。"
    assert "循环等待" in learnt[QUESTION] and "[1]" not in learnt[QUESTION]

    made = tmp_path / "made"
    command = [sys.executable, "-m", "cli.main", "finetune", "dataset", str(out), "--out", str(made), "--json"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [row for name in ("train", "test") for row in read_conversations(made / f"{name}.jsonl")]
    assert {row.exchanges[0].input: row.exchanges[0].output for row in rows} == learnt
    assert {row.kind for row in rows} == {"feedback"}


def test_gaps_tell_what_was_asked_in_vain_by_knowledge_base(client: TestClient) -> None:
    for question in (UNANSWERED, "量子纠缠如何用于隐形传态", "如何种植水稻？"):
        assert ask(client, question)["refused"]
    ask(client, QUESTION)
    body = client.get("/kbs/default/gaps").json()
    examples = [question for gap in body["gaps"] for question in gap["examples"]]
    assert sum(gap["refused"] for gap in body["gaps"]) == 3
    assert "如何种植水稻？" in examples and QUESTION not in examples
    assert sum("量子" in question for question in examples) == 1
    assert client.get("/kbs/physics/gaps").json()["gaps"] == []
    assert client.get("/kbs/default/gaps", params={"days": 0}).status_code == 422


def test_a_knowledge_base_of_the_same_name_begins_without_the_questions_of_one_that_was_removed(
    client: TestClient, settings: Settings
) -> None:
    refused = ask(client, UNANSWERED, kb="physics")
    feedback = {"answer_id": refused["id"], "thumb": "down"}
    assert client.post("/feedback", json=feedback).status_code == 201
    assert client.delete("/kbs/physics").status_code == 204
    shutil.copytree(settings.data_dir / "default", settings.data_dir / "physics")
    deadline = time.monotonic() + 60
    while (response := client.get("/kbs/physics/gaps")).status_code == 404:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert response.json()["gaps"] == []
    assert client.get("/kbs/physics/feedback").json() == {"feedback": []}
    assert client.post("/feedback", json=feedback).status_code == 404


def test_where_no_questions_are_kept_gaps_and_feedback_say_so(settings: Settings) -> None:
    with serving(settings.model_copy(update={"server": ServerSettings(keep_answers_days=0)})) as client:
        refused = ask(client, UNANSWERED)
        told = (
            client.get("/kbs/default/gaps"),
            client.post("/feedback", json={"answer_id": refused["id"], "thumb": "up"}),
        )
        for response in told:
            assert response.status_code == 404
            assert "KEBEN_SERVER__KEEP_ANSWERS_DAYS" in response.json()["mend"]
