"""Several workers on one port: killed, replaced, stopped, and counting together."""

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from server_processes import command, environment, eventually, process, workers_of

from core.settings import ServerSettings, Settings
from server.access import Limits, Role
from server.keys import KeyStore

pytestmark = pytest.mark.alone

ASKED = {"question": "什么是死锁？"}


def gone(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)


def test_a_killed_worker_is_replaced_while_the_other_answers(library_settings: Settings, tmp_path: Path) -> None:
    with process(library_settings.data_dir, tmp_path, "--workers", "2") as (running, url):
        first, second = workers_of(running.pid)
        first.kill()
        eventually(lambda: not first.is_running())
        for _ in range(5):
            assert httpx.post(f"{url}/ask", json=ASKED, timeout=60).status_code == 200
        eventually(lambda: len(workers_of(running.pid)) == 2)
        second.kill()
        # From here on only the one that came in the place of the first can answer.
        assert httpx.post(f"{url}/ask", json=ASKED, timeout=60).status_code == 200
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=60)
        assert (running.returncode, out) == (0, "")
        assert err.count("was ended by SIGKILL") == 2 and "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_supervisor(library_settings: Settings, tmp_path: Path, number: int) -> None:
    with process(library_settings.data_dir, tmp_path, "--workers", "2") as (running, url):
        pids = [worker.pid for worker in workers_of(running.pid)]
        assert len(pids) == 2
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
        assert running.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        assert (out, err) == ("", "")
        eventually(lambda: gone(pids))
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")


def test_workers_that_die_at_each_start_end_the_service(library_settings: Settings, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "chromadb.py").write_text("raise SystemExit(7)\n", encoding="utf-8")
    known = environment(library_settings.data_dir)
    path = os.pathsep.join((known["PYTHONPATH"], str(broken)))
    done = subprocess.run(
        command("--port", "0", "--workers", "2"),
        env={**known, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert "5 workers in a row died" in done.stderr and "exit code 7" in done.stderr and "--workers" in done.stderr


def test_a_model_of_each_worker_is_refused(library_settings: Settings, tmp_path: Path) -> None:
    done = subprocess.run(
        command("--port", "0", "--workers", "2"),
        env=environment(library_settings.data_dir, KEBEN_LLM__MODEL=str(tmp_path)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2 and "KEBEN_LLM__URLS" in done.stderr and str(tmp_path) in done.stderr


def test_two_workers_together_allow_no_more_than_the_limit(library_settings: Settings, tmp_path: Path) -> None:
    settings = library_settings.model_copy(update={"server": ServerSettings(workers=2)})
    key, _ = KeyStore(settings.state_dir).create("busy", Role.ask, limits=Limits(requests_per_minute=40))
    headers = {"Authorization": f"Bearer {key}"}
    try:
        with process(settings.data_dir, tmp_path, "--workers", "2") as (running, url):

            def ask(_: int) -> int:
                # A connection of its own, so that either worker may get it.
                return httpx.post(f"{url}/search", json=ASKED, headers=headers, timeout=60).status_code

            assert len(workers_of(running.pid)) == 2
            with ThreadPoolExecutor(8) as pool:
                statuses = list(pool.map(ask, range(100)))
    finally:
        (settings.state_dir / "keys.json").unlink()
    assert set(statuses) == {200, 429}
    # Should a minute begin meanwhile, the share of the one before that still counts is rounded once.
    assert 39 <= statuses.count(200) <= 41
