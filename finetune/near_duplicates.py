"""Which texts say nearly the same: the Jaccard likeness of their sets of three characters, exact and without chance.

Texts that are likely alike are found as in Bayardo, Ma and Srikant, "Scaling Up All Pairs Similarity Search" (WWW
2007): two sets as alike as `threshold` share one of their few rarest members.
"""

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LENGTH = 3
_BITS = 21  # of a code point: three of them fit 64 bits
_OPERATORS = frozenset("-*/%")  # punctuation to Unicode, but `a-b` is not `a*b`
_Ints = NDArray[np.int64]


def normalised(text: str) -> str:
    """`text` without what doesn't change its meaning: width, case, punctuation, blanks."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(char for char in folded if char in _OPERATORS or unicodedata.category(char)[0] not in "PZC")
    return kept or "".join(folded.split())


def grams(text: str) -> frozenset[int]:
    """What texts are compared by: the runs of three characters of `text`, normalised."""
    return frozenset(_grams(normalised(text)).tolist())


def groups(texts: Sequence[str], threshold: float = 0.8) -> list[list[int]]:
    """Groups of two or more texts, as indices in ascending order, the groups by their first.

    Two texts with a likeness of `threshold` (above 0, at most 1) are of one group, and so are those that a chain of
    such pairs joins. The same texts give the same groups.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"a threshold of {threshold} is not above 0 and at most 1")
    same: dict[str, list[int]] = {}
    for index, text in enumerate(texts):
        same.setdefault(normalised(text), []).append(index)
    copies = list(same.values())
    found = [sorted(index for member in group for index in copies[member]) for group in _alike(list(same), threshold)]
    return sorted(group for group in found if len(group) > 1)


def _alike(texts: Sequence[str], threshold: float) -> list[list[int]]:
    """All texts, as groups; some of one."""
    sets = _ranked([_grams(text) for text in texts])
    order = sorted(range(len(sets)), key=lambda index: (len(sets[index]), index))
    parts = _Parts(len(sets))
    for index, candidates in _candidates([sets[index] for index in order], threshold, parts):
        mine = sets[order[index]]
        for candidate in candidates:
            if parts.label[candidate] != parts.label[index]:
                other = sets[order[candidate]]
                common = len(np.intersect1d(mine, other, assume_unique=True))
                if common >= threshold * (len(mine) + len(other) - common) - 1e-9:
                    parts.join(index, candidate)
    return [[order[member] for member in members] for members in parts.members.values()]


def _grams(text: str) -> _Ints:
    """The sorted set of runs of three characters; of a shorter text, the text."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.int64)
    if len(codes) < _LENGTH:
        codes = np.concatenate([codes, np.zeros(_LENGTH - len(codes), dtype=np.int64)])
    return np.unique(codes[:-2] << 2 * _BITS | codes[1:-1] << _BITS | codes[2:])


def _ranked(sets: Sequence[_Ints]) -> list[_Ints]:
    """The sets with a number in place of each member, the rarer the smaller, sorted."""
    if not sets:
        return []
    _, inverse, counts = np.unique(np.concatenate(sets), return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    ends = np.cumsum([len(one) for one in sets])[:-1]
    return [np.sort(part) for part in np.split(rank[inverse], ends)]


@dataclass(slots=True)
class _Parts:
    """Disjoint sets, each known by a label; the smaller takes the label of the larger."""

    label: _Ints
    members: dict[int, list[int]]

    def __init__(self, size: int) -> None:
        self.label = np.arange(size, dtype=np.int64)
        self.members = {index: [index] for index in range(size)}

    def join(self, one: int, other: int) -> None:
        larger, smaller = (int(self.label[one]), int(self.label[other]))
        if len(self.members[larger]) < len(self.members[smaller]):
            larger, smaller = smaller, larger
        moved = self.members.pop(smaller)
        self.label[moved] = larger
        self.members[larger] += moved


def _candidates(sets: Sequence[_Ints], threshold: float, parts: _Parts) -> Iterator[tuple[int, list[int]]]:
    """For each set, the earlier ones that may be alike and are not in its part yet. sets: the smaller first."""
    if not sets:
        return
    sizes = np.array([len(one) for one in sets])
    prefixes = [one[: len(one) - math.ceil(threshold * len(one) - 1e-9) + 1] for one in sets]
    members = np.concatenate(prefixes)
    owners = np.repeat(np.arange(len(sets)), [len(prefix) for prefix in prefixes])
    by_member = np.argsort(members, kind="stable")
    members, owners = members[by_member], owners[by_member]
    for index, prefix in enumerate(prefixes):
        starts, ends = np.searchsorted(members, prefix), np.searchsorted(members, prefix, side="right")
        lists = [owners[start:end] for start, end in zip(starts, ends, strict=True) if end - start > 1]
        if lists:
            near = np.concatenate(lists)
            near = near[(near < index) & (sizes[near] >= threshold * sizes[index] - 1e-9)]
            near = near[parts.label[near] != parts.label[index]]
            yield index, np.unique(near).tolist()
