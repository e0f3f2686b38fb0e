"""What fits into the context of a language model: tokens counted or estimated, and what is left out. Pure functions."""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.errors import ConfigError
from core.text import sentences

# Tokens of a text; never fewer than the model will count.
Cost = Callable[[str], int]

# A turn's tokens besides its text, in every chat template: its markers, its role, ends of lines.
TURN = 8

_PIECE = re.compile(
    r"(?P<letters>[A-Z]?[a-z]+|[A-Z]+)"
    r"|(?P<before> (?=[A-Za-z]))"
    r"|(?P<blank>[ \t]{1,2})"
    r"|(?P<one>[\x00-\x7f\u2000-\u206f\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef])"
    r"|(?P<two>[\x80-\u07ff])"
    r"|(?P<many>.)",
    re.DOTALL,
)


def estimated_tokens(text: str) -> int:
    """No fewer tokens than models that know Chinese and English make of ordinary text; meant to be too many.

    A Chinese character, a digit and a sign are 1 each, a run of Latin letters 1 for every 3, letters of other
    alphabets 2, what lies beyond (rare characters, emoji) its bytes.
    """
    count = 0
    for piece in _PIECE.finditer(text):
        length = piece.end() - piece.start()
        match piece.lastgroup:
            case "letters":
                count += -(-length // 3)
            case "before":
                pass  # the blank belongs to the word
            case "two":
                count += 2
            case "many":
                count += len(piece.group().encode("utf-8", "surrogatepass"))
            case _:
                count += 1
    return count


@dataclass(frozen=True, slots=True)
class Fitted:
    """How many of the last rounds and of the first passages are kept; over: tokens by which even that is too long."""

    rounds: int
    passages: int
    over: int = 0


def fit(fixed: int, rounds: Sequence[int], passages: Sequence[int], room: int) -> Fitted:
    """Drop the oldest rounds of the conversation, then the passages that rank lowest, until all fits into `room`.

    All are in tokens. fixed: rules and question, which are never dropped. rounds: a question and its answer each, the
    oldest first. passages: best first; one is kept whatever its length. Raises ConfigError when `fixed` does not fit.
    """
    if fixed > room:
        raise too_long(fixed, room)
    left = room - fixed - sum(passages)
    kept_rounds = 0
    for cost in reversed(rounds):
        if left < cost:
            break
        left -= cost
        kept_rounds += 1
    kept = len(passages)
    while left < 0 and kept > 1:
        kept -= 1
        left += passages[kept]
    return Fitted(kept_rounds, kept, max(0, -left))


def too_long(tokens: int, room: int) -> ConfigError:
    """The question alone does not fit."""
    return ConfigError(
        f"the question and the rules for the model take {tokens} tokens, there is room for {room}",
        mend="ask a shorter question or for fewer max_new_tokens, shorten the course's system_prompt, or raise "
        "KEBEN_LLM__CONTEXT_TOKENS as far as the model reads",
    )


def cut(text: str, fits: Callable[[str], bool]) -> str:
    """The longest beginning of `text` that fits: up to the end of a sentence, else of a line, else of a character.

    fits: true of a beginning of whatever it is true of.
    """
    if fits(text):
        return text
    ends = [0, *(end for _, end in sentences(text))]
    lines = [0, *(match.start() for match in re.finditer(r"\n", text))]
    for places in (ends, lines, range(len(text) + 1)):
        # The first that does not fit; those after it do not either.
        end = places[max(bisect_left(places, True, key=lambda end: not fits(text[:end])) - 1, 0)]
        if text[:end].strip():
            return text[:end].rstrip()
    return ""
