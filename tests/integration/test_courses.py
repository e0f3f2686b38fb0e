"""The routes of courses: looked at without training, and one small course tuned from its file to its model."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import serving
from fastapi.testclient import TestClient
from live_server import live
from made_courses import EVIL, ROWS, write_course, write_exam, write_reports, write_steps
from trainable_models import write_trainable_internlm2

from core.settings import Settings
from finetune.background import Courses
from finetune.training.environment import ENVIRONMENT, is_whole
from server.access import Role
from server.keys import KeyStore

needs_xtuner = pytest.mark.skipif(
    not is_whole(ENVIRONMENT), reason="the environment of XTuner is missing: keben finetune setup"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "courses"
    (tmp_path / "data").mkdir()
    write_course(folder, "os", tmp_path / "base")
    write_steps(folder / "runs" / "os", "model", falls=("os fell",))
    write_reports(folder / "runs" / "os")
    (folder / "broken.toml").write_text("name = 3", encoding="utf-8")
    return Settings(data_dir=tmp_path / "data", source_dir=tmp_path, courses_dir=folder)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with serving(settings) as opened:
        yield opened


def problem(response: Any, status: int, code: str) -> str:
    assert (response.status_code, response.json()["type"]) == (status, f"urn:keben:{code}"), response.text
    assert response.json()["mend"]
    return str(response.json()["detail"])


def test_courses_are_listed_and_looked_at(client: TestClient, settings: Settings) -> None:
    listed = client.get("/courses").json()
    assert listed["installed"] == is_whole(ENVIRONMENT) and listed["folder"] == str(settings.courses_dir)
    statuses = {course["name"]: course["status"] for course in listed["courses"]}
    assert statuses == {"broken": "faulty", "os": "begun"}
    assert "docs/finetune.md" in listed["courses"][0]["error"]["mend"]
    course = client.get("/courses/os").json()
    assert course["steps"][4] == {"name": "gate", "status": "done"}
    assert course["audit"]["findings"][0]["examples"][0]["text"] == f"{EVIL}是什么？"
    assert course["training"]["points"][0] == [1, 9.0] and course["training"]["last"]["of"] == 40
    assert [row["fell"] for row in course["gate"]["rows"]] == [False, True, False] and course["model"] is None


def test_what_cannot_be_done_is_told(client: TestClient, settings: Settings) -> None:
    for path, body in (("run", {}), ("audit", None), ("stop", None), ("publish", {"repo": "me/os"})):
        assert "nothing" in problem(client.post(f"/courses/nothing/{path}", json=body), 404, "course-missing")
    assert client.get("/courses/nothing/events").status_code == 404
    assert client.get("/courses/..%2Fos").status_code == 404
    assert "name" in problem(client.post("/courses/broken/audit"), 422, "bad-setting")
    assert "not being tuned" in problem(client.post("/courses/os/stop"), 409, "job-conflict")
    assert "no model" in problem(client.post("/courses/os/publish", json={"repo": "me/os"}), 409, "job-conflict")
    assert client.post("/courses/os/run", json={"override": 3}).status_code == 422


def test_without_xtuner_a_run_is_refused_and_the_view_not_offered(
    client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("finetune.training.environment.ENVIRONMENT", tmp_path / "nowhere")
    missing = client.get("/courses").json()
    assert not missing["installed"] and "keben finetune setup" in missing["missing"]["mend"]
    refused = client.post("/courses/os/run", json={})
    problem(refused, 409, "job-conflict")
    assert "keben finetune setup" in refused.json()["mend"] and not client.get("/me").json()["tunes"]
    monkeypatch.undo()
    assert client.get("/me").json()["tunes"] == is_whole(ENVIRONMENT)
    key, _ = KeyStore(settings.state_dir).create("teacher", Role.manage)
    assert client.get("/me", headers={"Authorization": f"Bearer {key}"}).json()["tunes"] is False


def test_an_idle_course_is_followed_to_its_end_at_once(client: TestClient) -> None:
    events = [line for line in client.get("/courses/os/events").text.splitlines() if line.startswith("event:")]
    assert events == ["event: state", "event: end"]


def test_an_audit_that_fails_says_why_and_how_to_mend_it(client: TestClient) -> None:
    started = client.post("/courses/os/audit")
    assert started.status_code == 202 and started.json()["kind"] == "audit"
    states = [data for name, data in followed(client, "os") if name == "state"]
    assert states[-1]["status"] == "failed" and "base" in states[-1]["error"]["message"]
    assert states[-1]["error"]["mend"] == "name that of a chat model"


def followed(client: httpx.Client, name: str) -> Iterator[tuple[str, Any]]:
    with client.stream("GET", f"/courses/{name}/events") as response:
        event = ""
        for line in response.iter_lines():
            if line.startswith("event:"):
                event = line.split(": ")[1]
            elif line.startswith("data:"):
                yield event, json.loads(line.removeprefix("data: "))


@needs_xtuner
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_course_is_tuned_from_its_file_to_its_model(tmp_path: Path) -> None:
    base = write_trainable_internlm2(tmp_path / "base", [text for row in ROWS for text in row])
    folder = tmp_path / "courses"
    write_course(folder, "tiny", base, general=write_exam(tmp_path / "exam.jsonl"), epochs=15)
    write_course(folder, "other", base)
    (tmp_path / "data").mkdir()
    settings = Settings(data_dir=tmp_path / "data", source_dir=tmp_path, courses_dir=folder)
    with live(settings) as running, httpx.Client(base_url=running.url, timeout=120, trust_env=False) as client:
        assert client.post("/courses/tiny/run", json={}).status_code == 202
        assert "is being tuned" in problem(client.post("/courses/other/run", json={}), 409, "job-conflict")
        events = list(followed(client, "tiny"))
        state = client.get("/courses/tiny").json()
        plan = client.post("/courses/tiny/publish", json={"repo": "me/os"}).json()
    assert state["status"] == "done", (state["error"], state["log"])
    assert events[-1][0] == "end" and {step["status"] for step in state["steps"]} == {"done"}
    steps = [data["step"] for name, data in events if name == "step"]
    assert steps == list(range(1, steps[-1] + 1)) and steps[-1] == state["training"]["last"]["of"]
    losses = [data["loss"] for name, data in events if name == "step"]
    assert losses[-1] < losses[0]
    states = [data for name, data in events if name == "state"]
    assert {"train", "gate"} <= {
        step["name"] for data in states for step in data["steps"] if step["status"] == "running"
    }
    checks = {one["check"] for one in state["audit"]["findings"]}
    assert "different-answers" in checks or "contradicting-rows" in checks
    measured = {(row["name"], row["subject"], row["measure"]) for row in state["gate"]["rows"]}
    assert {("course", "all", "letter"), ("course", "os", "letter"), ("held-out rows", "all", "loss")} <= measured
    assert Path(state["model"]["folder"]).is_dir() and state["gate"]["falls"] == []
    assert (plan["gate"], plan["faults"], plan["started"]) == ("passed", [], False) and plan["size"] > 10**6
    assert Courses(settings).state("tiny").status == "done"
