"""What becomes of answers under way when the service stops: they have a while to end, then they are cut."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from core.errors import ServerError

T = TypeVar("T")


class Drain:
    """For one event loop. begun: whether the service has been told to stop."""

    def __init__(self) -> None:
        self.begun = False
        self._end: float | None = None
        self._limits: set[asyncio.Timeout] = set()

    def start(self, seconds: float) -> None:
        """Cut what is not done within `seconds`. Called in the event loop."""
        self.begun = True
        self._end = asyncio.get_running_loop().time() + seconds
        for limit in self._limits:
            limit.reschedule(self._end)

    async def bounded(self, step: Awaitable[T]) -> T:
        """The outcome of `step`; raises ServerError when it is cut."""
        try:
            async with asyncio.timeout_at(self._end) as limit:
                self._limits.add(limit)
                try:
                    return await step
                finally:
                    self._limits.discard(limit)
        except TimeoutError:
            if not limit.expired():
                raise
            raise ServerError("the service stops", mend="ask again in a moment") from None
