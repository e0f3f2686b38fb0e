"""Which option a text chooses. Pure functions."""

import re
import unicodedata

# What a model thinks to itself is no answer.
_THINKING = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL)
_BOX = re.compile(r"\\boxed\s*\{\s*(?:\\(?:text|mathrm)\s*\{)?\s*\(?([A-H])\)?\s*\}")
_NOT = r"(?:不是|并非|不选|不能选|不应选|排除|is not|isn't|are not|not)"
# A letter that is a word of its own: not the A of API, not A 's of "A process is".
_OPEN, _CLOSE = r"[\s*_`\"'“”‘’「『(\[{<$]*", r"(?![A-Za-z0-9+#_])(?!\s*(?:[、,和或/&]|and|or)\s*[A-H](?![A-Za-z]))"
_LETTER = rf"{_OPEN}(?:选项|option|choice)?{_OPEN}([A-H]){_CLOSE}"
# The strongest first. In each the last match counts: a model weighs before it decides.
_SAYS = (
    rf"(?:最终|正确|标准|参考)?(?:答案|选项|选择)\s*(?:应该|应当|应|就|便)?\s*(?:是|为|选择?|:|=|->|→)+{_LETTER}",
    rf"\b(?:answer|choice|option)\b(?:\s+(?:to|of)\s[^.\n]{{1,80}}?)?\s*(?:is|(?:would|should|must) be|:|=)+{_LETTER}",
    rf"(?:故|因此|所以|综上|应该|应当|应|我|本题|此题|该题|正确的是|错误的是)[^。\n]{{0,12}}?选\s*择?{_LETTER}",
    rf"(?:^|[^不能可])(?:选择?|选的?是)\s*[::]?{_LETTER}",
    rf"\b(?:choose|select|pick|go with)\b{_LETTER}",
    rf"{_LETTER}\s*[)\]*]*\s*(?:是|为)?\s*(?:正确|对的)(?:的|答案|选项)?",
    rf"{_LETTER}\s*[)\]*]*\s*(?:is|would be)\s+(?:the\s+)?(?:correct|right|best)",
)
_PATTERNS = tuple(re.compile(pattern, re.IGNORECASE | re.MULTILINE) for pattern in _SAYS)
# "A 错，B 错" weighs, "B 队列" answers.
_FIRST = re.compile(
    rf"^{_OPEN}(?:选项\s*|option\s+)?([A-H])"
    r"(?:[\s*_`\"'”’」』)\]}>$]*(?:[.,:;、。,]|$|\n)|\s*[)\]]|\s+(?=[^\x00-\x7f])(?![错不也和或与对]))"
)
# The options said over again, before anything is decided.
_LISTING = re.compile(r"\W*A[.:)、][^\n]*\S[^\n]*\n(?:.*\n)?\W*B[.:)、]", re.DOTALL)
# Not the article of "A process is".
_ALONE = re.compile(r"(?<![A-Za-z0-9_])([A-H])(?![A-Za-z0-9_+#])(?! [a-z])")
_SEVERAL = re.compile(r"^[\W_]*(?:答案[是为:\s]*)?[A-H](?:[ \t]*[,、和/&]?[ \t]*[A-H])+(?![A-Za-z0-9])")


def chosen_letter(text: str, letters: str) -> str | None:
    """The one option of `letters` that `text` decides for; None where it decides for none or for several.

    An answer that begins with a letter, as it is told to, has decided; else what it says last about the answer counts;
    else the only letter that it names. None counts as wrong: a guess would favour models that talk around.
    """
    text = unicodedata.normalize("NFKC", _THINKING.sub("", text)).strip()
    if not text or _SEVERAL.match(text):
        return None
    boxed = _BOX.findall(text)
    if boxed:
        return _known(boxed[-1], letters)
    listed = _LISTING.match(text)
    if not listed and (first := _FIRST.match(text)) and first.group(1) in letters:
        return first.group(1)
    for pattern in _PATTERNS:
        said = [found.group(1) for found in pattern.finditer(text) if not _denied(text, found)]
        said = [letter for letter in said if letter.isupper() and letter in letters]
        if said:
            return said[-1]
    if listed:
        return None
    named = {letter for letter in _ALONE.findall(text) if letter in letters}
    return named.pop() if len(named) == 1 and not re.search(_NOT, text) else None


def _denied(text: str, found: re.Match[str]) -> bool:
    """Whether the words before the letter, or right before the match, say that it is not the answer."""
    return bool(re.search(rf"{_NOT}\s*$", text[max(found.start() - 8, 0) : found.start(1)], re.IGNORECASE))


def _known(letter: str, letters: str) -> str | None:
    return letter if letter in letters else None
