"""Puts sizes in a row into groups near a wished size."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# A list or program above the limit stays whole up to so many limits; nothing but a formula is longer.
HARD_CAP = 4


@dataclass(frozen=True, slots=True)
class Room:
    """Tokens that a chunk of a section may have besides its headings."""

    target: int
    limit: int

    @property
    def most(self) -> int:
        """The hard cap."""
        return self.limit * HARD_CAP

    def without(self, tokens: int) -> "Room":
        """What is left when `tokens` are taken, at least half of it."""
        return Room(max(self.target - tokens, self.target // 2), max(self.limit - tokens, self.limit // 2))


def packed(sizes: Sequence[int], room: Room) -> list[range]:
    """Runs of neighbours up to the target; above the limit is only what is so by itself."""
    starts, size = [0], 0
    for number, more in enumerate(sizes):
        if number and (size >= room.target or size + more > room.limit):
            starts.append(number)
            size = 0
        size += more
    if len(starts) > 1 and size < room.target // 4:
        starts[-1:] = _even(sizes, starts[-2], room)
    return [range(*bounds) for bounds in pairwise([*starts, len(sizes)])] if sizes else []


def _even(sizes: Sequence[int], start: int, room: Room) -> list[int]:
    """Where to cut what begins at `start` so that no small rest is left: nowhere if it fits, else in the middle."""
    total = sum(sizes[start:])
    if total <= room.limit:
        return []
    return [min(range(start + 1, len(sizes)), key=lambda cut: max(sum(sizes[start:cut]), sum(sizes[cut:])))]
