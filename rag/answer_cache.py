"""Answers that were given before, for the same question on the same generation.

It lives in one process, whose settings never change, and a generation never changes either: so an answer is right as
long as its key is, and nothing has to be taken back.
"""

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.text import compatible
from core.types import Answer, Passage

if TYPE_CHECKING:
    from rag.answer import Question

_SPACE = re.compile(r"\s+")
# Not !, which is a factorial in 怎么计算 n!
_END = re.compile(r"[\s?？.。]+$")
_EACH = 2000  # bytes of an entry besides its texts

Key = tuple[str, str, "Question"]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an answer was written from, and the answer."""

    passages: tuple[Passage, ...]
    answer: Answer

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        answer = self.answer
        texts = [answer.answer, *(citation.quote for citation in answer.citations)]
        texts += [passage.chunk.text for passage in (*self.passages, *answer.closest)]
        return _EACH + 4 * sum(map(len, texts))


class AnswerCache:
    """The answers that were asked for last; safe to share between threads."""

    def __init__(self, entries: int, megabytes: int, temperature: float) -> None:
        """entries: most answers; 0 keeps none. megabytes: about how much memory they may take (MiB).

        temperature: where a question names none.
        """
        self._entries = entries
        self._bytes = megabytes * 2**20
        self._temperature = temperature
        self._guard = threading.Lock()
        self._kept: OrderedDict[Key, Remembered] = OrderedDict()
        self._size = 0

    def key(self, kb: str, generation: str, question: "Question") -> Key | None:
        """Under what the answer is kept; None where the next answer to the same question may be another one."""
        options = question.options
        temperature = self._temperature if options.temperature is None else options.temperature
        if not self._entries or question.history or (temperature > 0 and options.seed is None):
            return None
        return kb, generation, replace(question, text=normalised(question.text), client="")

    def get(self, key: Key | None) -> Remembered | None:
        """What is kept under `key`."""
        with self._guard:
            found = self._kept.get(key) if key else None
            if found and key:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Key | None, remembered: Remembered) -> None:
        """Keep an answer unless a model failed at it, and let go of those that were not asked for longest."""
        if key is None or remembered.answer.fallback is not None or remembered.size > self._bytes:
            return
        with self._guard:
            if before := self._kept.pop(key, None):
                self._size -= before.size
            self._kept[key] = remembered
            self._size += remembered.size
            while len(self._kept) > self._entries or self._size > self._bytes:
                _, oldest = self._kept.popitem(last=False)
                self._size -= oldest.size


def normalised(text: str) -> str:
    """The question without what does not change its meaning: width of letters, spaces, marks at its end.

    Not by NFKC, to which x² is x2; and not without capitals, which a model reads: P is power, p momentum.
    """
    return _END.sub("", _SPACE.sub(" ", compatible(text)).strip())
