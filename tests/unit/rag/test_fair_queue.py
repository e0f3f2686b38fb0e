"""Clients take turns."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.engine.fair_queue import FairQueue

Arrivals = st.lists(st.sampled_from("abcd"))


def queue_of(arrivals: list[str]) -> FairQueue[tuple[str, int]]:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for number, client in enumerate(arrivals):
        queue.push(client, (client, number))
    return queue


def test_a_client_with_many_questions_does_not_keep_the_others_waiting() -> None:
    queue = queue_of(list("aaaab"))
    assert [queue.pop()[0] for _ in range(5)] == list("abaaa")


@given(Arrivals)
def test_everything_comes_out_once_and_each_client_in_order(arrivals: list[str]) -> None:
    queue = queue_of(arrivals)
    assert len(queue) == len(arrivals)
    assert sorted(queue, key=lambda item: item[1]) == [(client, number) for number, client in enumerate(arrivals)]
    out = [queue.pop() for _ in arrivals]
    assert len(queue) == 0
    for client in set(arrivals):
        own = [item for item in out if item[0] == client]
        assert own == sorted(own, key=lambda item: item[1])
    with pytest.raises(IndexError):
        queue.pop()


@given(Arrivals)
def test_nobody_is_served_twice_while_another_waits(arrivals: list[str]) -> None:
    queue = queue_of(arrivals)
    served: Counter[str] = Counter()
    for _ in arrivals:
        waiting = {item[0] for item in queue}
        client = queue.pop()[0]
        assert served[client] == min(served[other] for other in waiting)
        served[client] += 1


@given(Arrivals, st.data())
def test_what_is_removed_does_not_come_out(arrivals: list[str], data: st.DataObject) -> None:
    queue = queue_of(arrivals)
    gone = data.draw(st.lists(st.sampled_from([*queue]), unique=True)) if arrivals else []
    assert all(queue.remove(item[0], item) for item in gone)
    assert not any(queue.remove(item[0], item) for item in gone)
    assert {queue.pop() for _ in range(len(queue))} == {*queue_of(arrivals)} - {*gone}


def test_one_that_comes_back_is_first() -> None:
    queue = queue_of(list("ab"))
    queue.push("c", ("c", 9), first=True)
    assert queue.pop() == ("c", 9)
