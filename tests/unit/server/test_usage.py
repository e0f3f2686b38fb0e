"""What keys may use."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import RateLimited
from core.settings import PROJECT
from server.access import Limits, Principal, Role
from server.usage import Usage

KEY = Principal("k1", Role.ask, None, Limits(requests_per_minute=6, concurrent=2, tokens_per_day=100))
MIDNIGHT = 1_000_080_000.0


class Clock:
    now = MIDNIGHT

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def usage(tmp_path: Path, clock: Clock) -> Iterator[Usage]:
    opened = Usage(tmp_path, clock)
    yield opened
    opened.close()


def test_a_minute_slides(usage: Usage, clock: Clock) -> None:
    left = [allowance.remaining for _ in range(6) if (allowance := usage.request(KEY))]
    assert left == [5, 4, 3, 2, 1, 0]
    with pytest.raises(RateLimited) as caught:
        usage.request(KEY)
    assert caught.value.retry_after == 60 and caught.value.headers["RateLimit-Remaining"] == "0"
    assert usage.request(replace(KEY, id="k2"))
    # A quarter into the next minute three quarters of those six still count: one more may come.
    clock.now += 75
    assert usage.request(KEY)
    with pytest.raises(RateLimited) as caught:
        usage.request(KEY)
    clock.now += caught.value.retry_after
    assert usage.request(KEY)


def test_two_processes_share_the_minute(usage: Usage, tmp_path: Path, clock: Clock) -> None:
    other = Usage(tmp_path, clock)
    for each in (usage, other) * 3:
        each.request(KEY)
    for each in (usage, other):
        with pytest.raises(RateLimited):
            each.request(KEY)
    other.close()


def test_as_many_answers_at_a_time_as_may(usage: Usage) -> None:
    first, second = usage.start(KEY), usage.start(KEY)
    with pytest.raises(RateLimited):
        usage.start(KEY)
    assert usage.start(replace(KEY, id="k2"))
    usage.end(first)
    third = usage.start(KEY)
    for lease in (second, third):
        usage.end(lease)
    usage.end(None)


def test_what_a_killed_process_held_comes_back(usage: Usage, tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from server.access import Limits, Principal, Role
from server.usage import Usage
usage = Usage(Path(sys.argv[1]))
key = Principal("k1", Role.ask, None, Limits(concurrent=2))
usage.start(key), usage.start(key)
print("held", flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=PROJECT, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        with pytest.raises(RateLimited):
            usage.start(KEY)
        process.kill()
        process.wait()
    assert usage.start(KEY)


def test_tokens_of_a_day(usage: Usage, clock: Clock, tmp_path: Path) -> None:
    usage.end(usage.start(KEY))
    usage.spend(KEY, 60)
    usage.end(usage.start(KEY))
    usage.spend(KEY, 60)
    clock.now += 3600
    with pytest.raises(RateLimited, match="120 tokens") as caught:
        usage.start(KEY)
    assert caught.value.retry_after == 23 * 3600
    # It holds over a restart, and ends with the day.
    again = Usage(tmp_path, clock)
    with pytest.raises(RateLimited):
        again.start(KEY)
    clock.now += 23 * 3600
    again.end(again.start(KEY))
    again.close()


def test_without_limits_nothing_is_counted(usage: Usage) -> None:
    free = Principal("local", Role.admin)
    assert usage.request(free) is None and usage.start(free) is None
    usage.spend(free, 10)
