"""Chinese and English in a data set: which, and where they are mixed. Pure functions."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from core.text import cjk_count, compatible, length
from finetune.audit.findings import Finding, Flaw, finding
from finetune.audit.formulas import words_around
from finetune.audit.rows import Row
from vector_db.tokenizer import normalise

Language = Literal["zh", "en", "mixed", "none"]
_MOSTLY, _HARDLY = 0.7, 0.1
_WORDS = 12  # in shorter answers a name or a term is all
# Who asks for another language gets it.
_ASKS_FOR_OTHER = re.compile(
    r"翻译|译成|译为|英文|英语|中文|汉语|双语|外语|法语|日语|拼音|English|Chinese|Mandarin|translat"
    r"|[“\"'‘《][A-Za-z][A-Za-z ]+[”\"'’》]",
    re.I,
)
_NO_WORD = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])|\d+")  # A., x_1, f(x)
_CHINESE = re.compile("[\u4e00-\u9fff]")
_FEW = 3


def language(text: str) -> Language:
    """Of the words outside code and formulas; none for a text without."""
    words = _prose(text)
    count = length(words)
    if not count:
        return "none"
    chinese = cjk_count(words) / count
    return "zh" if chinese >= _MOSTLY else "en" if chinese <= _HARDLY else "mixed"


def shares(texts: Sequence[str]) -> dict[str, float]:
    """Of the texts, how many are in each language, 0 to 1."""
    counted = Counter(language(text) for text in texts)
    return {name: counted[name] / len(texts) for name in ("zh", "en", "mixed", "none") if counted[name]}


def languages(rows: Sequence[Row]) -> list[Finding]:
    """Questions that are answered in another language, and Traditional beside Simplified characters."""
    other: list[Flaw] = []
    for row in rows:
        for turn in row.turns:
            if reason := _crossed(turn.input, turn.output, turn.system):
                other.append((row, turn.output, reason))
    return [
        *finding(
            "other-language", "warning", other, len(rows), "are answered in another language than asked",
            "translate them, or delete them, unless the question asks for it",
        ),
        *_scripts(rows),
    ]  # fmt: skip


def _crossed(question: str, answer: str, system: str) -> str | None:
    asked, answered = language(question), language(answer)
    if (
        {asked, answered} != {"zh", "en"}
        or length(_prose(answer)) < _WORDS
        or _ASKS_FOR_OTHER.search(question + system)
    ):
        return None
    return f"asked in {asked}, answered in {answered}"


def _scripts(rows: Sequence[Row]) -> list[Finding]:
    """The rows in the script of the fewer, where both occur."""
    traditional = {at for at, row in enumerate(rows) if is_traditional(row.question + row.answer)}
    chinese = [at for at, row in enumerate(rows) if _CHINESE.search(row.question + row.answer)]
    fewer = "Traditional" if len(traditional) * 2 <= len(chinese) else "Simplified"
    odd = [at for at in chinese if (at in traditional) == (fewer == "Traditional")]
    if not traditional or not odd:
        return []
    flaws = [(rows[at], rows[at].answer, f"in {fewer} characters") for at in odd]
    todo = "convert them, if the course is to speak in one script"
    return finding("mixed-scripts", "note", flaws, len(rows), f"are in {fewer} characters, the others not", todo)


def is_traditional(text: str) -> bool:
    """Whether `text` has three different characters or more that Simplified texts write otherwise."""
    return sum(_differs(sign) for sign in set(_CHINESE.findall(text))) >= _FEW


@lru_cache(maxsize=20_000)
def _differs(sign: str) -> bool:
    return normalise(sign) != compatible(sign)


def _prose(text: str) -> str:
    return _NO_WORD.sub(" ", words_around(text))
