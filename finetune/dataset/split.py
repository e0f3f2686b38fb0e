"""Which conversation is trained on and which is kept for the test: by content alone, near duplicates together."""

import hashlib
from collections.abc import Collection, Sequence

from finetune.conversations import Conversation
from finetune.near_duplicates import groups, normalised

_FIXED = frozenset({"identity", "text"})


def asked_in(conversation: Conversation) -> str:
    """All that is asked in it: what two conversations are compared by."""
    return "\n".join(exchange.input for exchange in conversation.exchanges)


def split(
    conversations: Sequence[Conversation], share: float, seed: int, near: float, held_back: Collection[int] = ()
) -> tuple[list[Conversation], list[Conversation]]:
    """(train, test), each in the order given. The test has `share` of the questions, as near as whole groups allow.

    Whether a group is in the test hangs on its content, the seed and the share, not on the order. Identities and
    running text are trained on. held_back: places of what must be in the test, whatever it is, with its group.
    """
    free = [at for at, one in enumerate(conversations) if one.kind not in _FIXED]
    forced = {place for place, at in enumerate(free) if at in held_back}
    drawn = _drawn([asked_in(conversations[at]) for at in free], share, seed, near, forced)
    test = {free[place] for place in drawn}.union(held_back)
    sides: tuple[list[Conversation], list[Conversation]] = ([], [])
    for at, conversation in enumerate(conversations):
        sides[at in test].append(conversation)
    return sides


def _drawn(texts: Sequence[str], share: float, seed: int, near: float, forced: Collection[int]) -> set[int]:
    """The groups with a forced one, then whole groups in the order of their hashes, as long as they fit."""
    alike = groups(texts, near)
    grouped = {at for group in alike for at in group}
    all_groups = alike + [[at] for at in range(len(texts)) if at not in grouped]
    room = round(share * len(texts))
    test = {at for group in all_groups if not set(group).isdisjoint(forced) for at in group}
    for group in sorted(all_groups, key=lambda group: _hash(seed, min(normalised(texts[at]) for at in group))):
        if group[0] not in test and len(test) + len(group) <= room:
            test.update(group)
    return test


def _hash(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed} {text}".encode("utf-8", "surrogatepass")).hexdigest()
