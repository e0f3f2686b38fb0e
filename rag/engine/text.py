"""From tokens, a few at a time, to text: no character in halves, and nothing of a stop string."""

from collections.abc import Sequence

from tokenizers import Tokenizer

_UNFINISHED = "\ufffd"
# A character has four bytes at most, a token each: what is not whole after them never will be.
_LONGEST = 4


class TextStream:
    """The text of one answer. ended: a stop string came, and whatever follows is not part of the answer.

    Tokens are decoded with those before them, which their spaces depend on; tokenizers' own DecodeStream fails at
    bytes that make no character, and a model may write those.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()) -> None:
        self._tokenizer, self._stop = tokenizer, stop
        self._before: list[int] = []  # decoded already
        self._tokens: list[int] = []  # not yet
        self._kept = max(map(len, stop), default=1) - 1
        self._held = ""
        self.ended = False

    def feed(self, tokens: Sequence[int]) -> str:
        """What can be shown after these tokens; what may be the beginning of a stop string is held back."""
        for token in tokens:
            self._tokens.append(token)
            text = self._text()
            if not text.endswith(_UNFINISHED) or len(self._tokens) >= _LONGEST:
                self._held += text
                self._before, self._tokens = self._tokens, []
        cuts = [self._held.index(end) for end in self._stop if end in self._held]
        if cuts:
            self.ended = True
            self._held = self._held[: min(cuts)]
            self._tokens = []
            return self.finish()
        ready = max(0, len(self._held) - self._kept)
        shown, self._held = self._held[:ready], self._held[ready:]
        return shown

    def finish(self) -> str:
        """The rest, without a character that is not whole."""
        shown = self._held + self._text().rstrip(_UNFINISHED)
        self._held, self._tokens = "", []
        return shown

    def _text(self) -> str:
        """Text of the tokens that have not been decoded yet."""
        start = self._tokenizer.decode(self._before)
        both = self._tokenizer.decode([*self._before, *self._tokens])
        # Bytes that make no character spoil those before them too, which have been shown: then these stand alone.
        return both[len(start) :] if both.startswith(start) else self._tokenizer.decode(self._tokens)
