"""The service under more than it was made for: many at once, clients that go away, a killed worker."""

import asyncio
import random
import socket
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest
from server_processes import eventually, process, workers_of

from core.settings import Settings

pytestmark = pytest.mark.alone

QUESTIONS = ("什么是死锁？", "死锁的四个必要条件是什么？", "What is a transaction?", "How does TCP open a connection?")


def body(stream: bool = True) -> dict[str, object]:
    return {"question": random.choice(QUESTIONS), "stream": stream}


def client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=120, trust_env=False, limits=httpx.Limits(max_connections=None))


def test_32_streams_at_a_time_all_end_with_an_answer(library_settings: Settings, tmp_path: Path) -> None:
    ends: list[str] = []

    async def ask_until(http: httpx.AsyncClient, end: float) -> None:
        while time.monotonic() < end:
            text = (await http.post("/ask", json=body())).text
            ends.append(text.rsplit("event: ", 1)[-1].split("\r\n")[0])

    async def all_of_them(url: str) -> None:
        async with client(url) as http:
            await asyncio.gather(*(ask_until(http, time.monotonic() + 5) for _ in range(32)))

    with process(library_settings.data_dir, tmp_path) as (_, url):
        asyncio.run(all_of_them(url))
    assert len(ends) >= 32 and set(ends) == {"done"}


def test_of_200_at_once_each_is_answered_or_told_to_come_back(library_settings: Settings, tmp_path: Path) -> None:
    async def all_of_them(url: str) -> tuple[list[httpx.Response], list[int]]:
        async with client(url) as http, client(url) as other:
            asking = [asyncio.create_task(http.post("/ask", json=body(stream=False))) for _ in range(200)]
            healthy = []
            while not all(task.done() for task in asking):
                healthy.append((await other.get("/healthz")).status_code)
                await asyncio.sleep(0.02)
            return [await task for task in asking], healthy

    with process(library_settings.data_dir, tmp_path) as (_, url):
        responses, healthy = asyncio.run(all_of_them(url))
        assert httpx.post(f"{url}/ask", json=body(stream=False), timeout=60).status_code == 200
    assert {response.status_code for response in responses} == {200, 429}
    assert all("Retry-After" in response.headers for response in responses if response.status_code == 429)
    assert healthy and set(healthy) == {200}


def test_clients_that_go_away_leave_nothing_behind(library_settings: Settings, tmp_path: Path) -> None:
    more = {"KEBEN_SERVER__MAX_RUNNING": "4"}
    with process(library_settings.data_dir, tmp_path, **more) as (running, url):
        server = psutil.Process(running.pid)
        port = int(url.rsplit(":", 1)[1])
        assert httpx.post(f"{url}/ask", json=body(), timeout=60).status_code == 200
        descriptors, threads = server.num_fds(), server.num_threads()
        question = b'{"question": "\xe6\xad\xbb\xe9\x94\x81", "stream": true}'
        head = "POST /ask HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(question)}\r\n\r\n"
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(head.encode() + question)
                time.sleep(random.uniform(0, 0.03))

        def four_at_once() -> bool:
            statuses: list[int] = []
            asking = [
                threading.Thread(
                    target=lambda: statuses.append(httpx.post(f"{url}/ask", json=body(), timeout=60).status_code)
                )
                for _ in range(4)
            ]
            for thread in asking:
                thread.start()
            for thread in asking:
                thread.join()
            return statuses == [200] * 4

        # With one place lost, four at once would never all be taken.
        eventually(four_at_once)
        eventually(lambda: server.num_fds() <= descriptors + 2)
        # Threads are started as they are needed, up to the number of those that the service has.
        assert server.num_threads() <= threads + 8


def test_a_worker_killed_under_load_costs_its_own_answers_alone(library_settings: Settings, tmp_path: Path) -> None:
    statuses: list[int | str] = []

    async def ask_until(url: str, stop: asyncio.Event) -> None:
        async with client(url) as http:
            while not stop.is_set():
                try:
                    statuses.append((await http.post("/ask", json=body(stream=False))).status_code)
                except httpx.TransportError as error:
                    statuses.append(type(error).__name__)

    async def under_load(url: str, pid: int) -> None:
        stop = asyncio.Event()
        asking = [asyncio.create_task(ask_until(url, stop)) for _ in range(8)]
        await asyncio.sleep(1)
        victim = workers_of(pid)[0]
        await asyncio.to_thread(victim.kill)
        await asyncio.to_thread(eventually, lambda: len(workers_of(pid)) == 2 and not victim.is_running())
        await asyncio.sleep(1)
        stop.set()
        await asyncio.gather(*asking)

    with process(library_settings.data_dir, tmp_path, "--workers", "2") as (running, url):
        asyncio.run(under_load(url, running.pid))
    assert statuses.count(200) > 8
    # Each of the eight clients can have had one answer under way in the worker that was killed.
    assert len([status for status in statuses if status != 200]) <= 8
    assert {status for status in statuses if isinstance(status, int)} == {200}
