"""Who is next: clients take turns, each client's own requests in the order in which they came."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import chain
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """First in, first out for one client; round-robin between clients. Not safe between threads."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[T]:
        """Everything that waits, client by client."""
        return chain.from_iterable(self._waiting.values())

    def push(self, client: str, item: T, *, first: bool = False) -> None:
        """Behind the client's other items; `first`: before them, and the client before all others."""
        line = self._waiting.setdefault(client, deque())
        if first:
            line.appendleft(item)
            self._waiting.move_to_end(client, last=False)
        else:
            line.append(item)

    def pop(self) -> T:
        """The next item; its client goes to the end of the round. Raises IndexError when nothing waits."""
        if not self._waiting:
            raise IndexError("nothing waits")
        client, line = next(iter(self._waiting.items()))
        item = line.popleft()
        if line:
            self._waiting.move_to_end(client)
        else:
            del self._waiting[client]
        return item

    def remove(self, client: str, item: T) -> bool:
        """Take an item out; False if it does not wait."""
        line = self._waiting.get(client)
        if line is None or item not in line:
            return False
        line.remove(item)
        if not line:
            del self._waiting[client]
        return True
