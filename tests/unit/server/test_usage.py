"""What a key may use, counted together by all processes."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st

from core.errors import RateLimited, StorageError
from server.access import Limits, Principal, Role
from server.usage import Usage

NOON = 1_788_000_000.0  # the beginning of a minute


class Clock:
    """Seconds since 1970, set by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def somebody(id_: str = "aaaaaaaa", **limits: int) -> Principal:
    return Principal(id_, Role.ask, None, Limits(**limits))


def refused(usage: Usage, principal: Principal) -> RateLimited:
    with pytest.raises(RateLimited) as raised:
        usage.request(principal)
    return raised.value


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def usage(tmp_path: Path, clock: Clock) -> Usage:
    return Usage(tmp_path, clock)


def test_as_many_requests_as_the_limit_and_no_more(usage: Usage) -> None:
    one, other = somebody(requests_per_minute=3), somebody("bbbbbbbb", requests_per_minute=3)
    left = [usage.request(one) for _ in range(3)]
    assert [allowance and allowance.remaining for allowance in left] == [2, 1, 0]
    assert left[0] and left[0].headers() == {
        "RateLimit-Limit": "3",
        "RateLimit-Remaining": "2",
        "RateLimit-Reset": "60",
    }
    error = refused(usage, one)
    assert "aaaaaaaa" in error.message and error.headers["RateLimit-Remaining"] == "0"
    assert usage.request(other)
    assert usage.request(somebody()) is None


def test_the_minute_slides(usage: Usage, clock: Clock) -> None:
    key = somebody(requests_per_minute=2)
    for moment in (0, 50):
        clock.now = NOON + moment
        usage.request(key)
    clock.now = NOON + 59.5
    error = refused(usage, key)
    assert error.retry_after == 1 and error.headers["RateLimit-Reset"] == "1"
    clock.now = NOON + 60  # the first is a minute old; a calendar minute would let two in
    allowance = usage.request(key)
    assert allowance and (allowance.remaining, allowance.reset) == (0, 50)
    assert refused(usage, key).retry_after == 50
    clock.now = NOON + 500
    assert [usage.request(key) is not None for _ in range(2)]


def test_a_limit_that_was_lowered_holds(usage: Usage, clock: Clock) -> None:
    for _ in range(5):
        usage.request(somebody(requests_per_minute=5))
        clock.now += 10
    wait = refused(usage, somebody(requests_per_minute=2)).retry_after
    assert wait == 40  # until those of 0, 10, 20 and 30 seconds are a minute old
    clock.now += wait
    usage.request(somebody(requests_per_minute=2))


def test_a_clock_that_is_set_back_locks_nobody_out(usage: Usage, clock: Clock) -> None:
    key = somebody(requests_per_minute=1)
    usage.request(key)
    clock.now -= 3600
    assert usage.request(key)


def test_a_refused_request_is_not_counted(usage: Usage, clock: Clock) -> None:
    key = somebody(requests_per_minute=1)
    usage.request(key)
    for _ in range(20):
        refused(usage, key)
    clock.now += 60
    assert usage.request(key)


@checked(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 12), pauses=st.lists(st.floats(0, 50), min_size=1, max_size=30))
def test_whoever_waits_as_long_as_retry_after_says_gets_in_and_no_minute_has_more_than_the_limit(
    tmp_path_factory: pytest.TempPathFactory, limit: int, pauses: list[float]
) -> None:
    clock = Clock()
    usage = Usage(tmp_path_factory.mktemp("usage"), clock)
    key = somebody(requests_per_minute=limit)
    let_in: list[float] = []
    for pause in pauses:
        clock.now += pause
        try:
            usage.request(key)
        except RateLimited as error:
            assert 1 <= error.retry_after <= 60
            clock.now += error.retry_after
            usage.request(key)
        let_in.append(clock.now)
    assert all(sum(first <= moment < first + 60 for moment in let_in) <= limit for first in let_in)
    usage.close()


def test_answers_at_a_time(usage: Usage) -> None:
    key = somebody(concurrent=2)
    first, second = usage.start(key), usage.start(key)
    with pytest.raises(RateLimited, match="2 answers") as raised:
        usage.start(key)
    assert raised.value.retry_after == 1
    assert usage.start(somebody("bbbbbbbb", concurrent=1))
    usage.end(first)
    usage.end(first)  # once more frees nothing
    third = usage.start(key)
    assert third and third != second
    with pytest.raises(RateLimited):
        usage.start(key)
    assert usage.start(somebody()) is None
    usage.end(None)


def test_tokens_of_a_day(usage: Usage, clock: Clock) -> None:
    key = somebody(tokens_per_day=100)
    usage.spend(key, 99)
    usage.end(usage.start(key))
    usage.spend(key, 0)
    usage.spend(key, 5)
    with pytest.raises(RateLimited, match="104 tokens today, of 100") as raised:
        usage.start(key)
    clock.now += raised.value.retry_after
    usage.start(key)
    usage.spend(somebody(), 10**9)
    usage.start(somebody())


def test_counts_outlive_the_process(tmp_path: Path, clock: Clock) -> None:
    before = Usage(tmp_path, clock)
    key = somebody(requests_per_minute=1, tokens_per_day=10)
    before.request(key)
    before.spend(key, 10)
    before.close()
    after = Usage(tmp_path, clock)
    refused(after, key)
    with pytest.raises(RateLimited):
        after.start(key)


def hammer(folder: Path, tries: int, let_in: "multiprocessing.Queue[int]") -> None:
    usage, key, count = Usage(folder, lambda: NOON), somebody(requests_per_minute=100, concurrent=7), 0
    for _ in range(tries):
        try:
            usage.request(key)
            count += 1
        except RateLimited:
            pass
    leases = 0
    for _ in range(20):
        try:
            leases += usage.start(key) is not None
        except RateLimited:
            pass
    let_in.put(count)
    let_in.put(leases)
    time.sleep(300)


def test_two_processes_together_let_in_as_many_as_one_and_what_a_killed_one_held_comes_back(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=hammer, args=(tmp_path, 200, queue)) for _ in range(2)]
    for process in processes:
        process.start()
    numbers = sorted(queue.get(timeout=120) for _ in range(4))
    try:
        assert sum(numbers) == 107, numbers
        usage, key = Usage(tmp_path, lambda: NOON), somebody(concurrent=7)
        with pytest.raises(RateLimited):
            usage.start(key)
    finally:
        for process in processes:
            assert process.pid
            os.kill(process.pid, signal.SIGKILL)
            process.join()
    assert len({usage.start(key) for _ in range(7)}) == 7
    with pytest.raises(RateLimited):
        usage.start(key)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "usage.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match=r"usage\.sqlite"):
        Usage(tmp_path)


def test_a_database_that_cannot_be_written_lets_nobody_through_uncounted(tmp_path: Path, usage: Usage) -> None:
    usage.close()
    with pytest.raises(StorageError, match=r"usage\.sqlite"):
        usage.request(somebody(requests_per_minute=1))
