"""What becomes of steps under way when the service stops."""

import asyncio

import pytest

from core.errors import ServerError
from server.drain import Drain


async def step(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


def test_a_step_that_ends_in_time_is_not_touched() -> None:
    async def steps() -> tuple[str, str]:
        drain = Drain()
        running = asyncio.create_task(drain.bounded(step(0.05)))
        await asyncio.sleep(0)
        drain.start(60)
        assert drain.begun
        return await running, await drain.bounded(step(0))

    assert asyncio.run(steps()) == ("done", "done")


def test_a_step_that_does_not_end_is_cut_whether_it_began_before_or_after() -> None:
    async def steps() -> list[object]:
        drain = Drain()
        before = asyncio.create_task(drain.bounded(step(600)))
        await asyncio.sleep(0)
        drain.start(0.05)
        after = asyncio.create_task(drain.bounded(step(600)))
        return await asyncio.gather(before, after, return_exceptions=True)

    for error in asyncio.run(steps()):
        assert isinstance(error, ServerError) and "stops" in error.message and error.mend


def test_a_timeout_of_the_step_itself_is_passed_on() -> None:
    async def late() -> None:
        raise TimeoutError("the model's")

    with pytest.raises(TimeoutError, match="the model's"):
        asyncio.run(Drain().bounded(late()))
