"""Multiple-choice rows: which letter is right, and whether one is right too often. Pure functions."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from core.text import compatible
from finetune.audit.findings import Finding, Flaw, finding
from finetune.audit.rows import Row

_OPTION = re.compile(r"(?:^|[\s\\。；;?？)）]|(?<=[\u4e00-\u9fff]))([A-H])\s?[.．、:：)）](?!\w*\()")
_FIRST = re.compile(
    r"^[\W_]*(?:(?:正确)?答案|正确选项|应?选|故选|(?:the )?(?:correct )?(?:answer|option))?[\s是为:：]*"
    r"\(?([A-H])(?![A-Za-z'])(?!\s[a-z])",
    re.I,
)
_NAMED = re.compile(
    r"(?:故?选|答案[是为:：]?|answer is|\\mathrm\{)\s*\(?([A-H])(?![A-Za-z])|(?<![A-Za-z\\])([A-H])\}?\s?(?:项)?正确"
)
_LIKELY_BY_CHANCE = 0.01
_LETTER_ONLY = 40  # characters: what is longer explains
_FEWEST, _FEWEST_EACH = 8, 5


def letter_of(question: str, answer: str) -> tuple[list[str], str | None] | None:
    """The letters of the options, and the right one as far as it is named; None where there are no options."""
    letters = _run(_OPTION.findall(compatible(question)))
    if len(letters) < 3:
        return None
    answer = compatible(answer)
    if first := _FIRST.match(answer):
        return letters, first.group(1).upper()
    named = {one or other for one, other in _NAMED.findall(answer)}
    return letters, named.pop() if len(named) == 1 else None


def options_of(question: str) -> tuple[str, dict[str, str]]:
    """A question apart from its options, by their letters; no options where there are fewer than three."""
    places = list(_OPTION.finditer(question))
    letters = _run([place.group(1) for place in places])
    if len(letters) < 3:
        return question, {}
    kept = [next(place for place in places if place.group(1) == letter) for letter in letters]
    ends = [*(place.start() for place in kept[1:]), len(question)]
    texts = (question[place.end() : end].strip(" \n\\；;") for place, end in zip(kept, ends, strict=True))
    return question[: kept[0].start(1)].strip(), dict(zip(letters, texts, strict=True))


def chosen(question: str, answer: str) -> tuple[str, str, tuple[str, ...]]:
    """The question without its options, the option that is the answer, and the others; else both as they are."""
    asked, options = options_of(question)
    found = letter_of(question, answer) if len(answer) <= _LETTER_ONLY else None
    if found is None or found[1] not in options:
        return question, answer, ()
    others = tuple(text for letter, text in options.items() if letter != found[1])
    return asked, options[found[1]], others


def choices(rows: Sequence[Row]) -> list[Finding]:
    """Letters that are right too often or too seldom, and answers that are no option."""
    found = [(row, letters) for row in rows if (letters := letter_of(row.question, row.answer))]
    unknown: list[Flaw] = [
        (row, f"{row.question} → {right}", f"{right} is none of {''.join(letters)}")
        for row, (letters, right) in found
        if right is not None and right not in letters
    ]
    return [
        *finding(
            "option-letter", "warning", unknown, len(found), "with options name none of them as the answer",
            "correct the letter, or the options", many=True,
        ),
        *_skew([(row, right) for row, (_, right) in found if right], _most_options(found)),
    ]  # fmt: skip


def labels(rows: Sequence[Row]) -> dict[str, int]:
    """How often each letter is right."""
    found = (letter_of(row.question, row.answer) for row in rows)
    counted = Counter(letters[1] for letters in found if letters and letters[1])
    return {letter: counted[letter] for letter in "ABCDEFGH" if letter <= max(counted, default="") or counted[letter]}


def chance(counts: Sequence[int]) -> float:
    """How likely counts as uneven as these are where every letter is as likely.

    Pearson's chi-square test; where it expects fewer than 5 of a letter, exact binomial tests of each, by Bonferroni.
    """
    total, kinds = sum(counts), len(counts)
    expected = total / kinds
    if expected >= _FEWEST_EACH:
        return _chi_square_tail(sum((count - expected) ** 2 for count in counts) / expected, kinds - 1)
    return min(1.0, kinds * min(_binomial(count, total, 1 / kinds) for count in counts))


def _skew(labelled: Sequence[tuple[Row, str]], kinds: str) -> list[Finding]:
    counts: Mapping[str, int] = Counter(right for _, right in labelled)
    if len(labelled) < _FEWEST or len(kinds) < 2:
        return []
    probability = chance([counts.get(letter, 0) for letter in kinds])
    if probability >= _LIKELY_BY_CHANCE:
        return []
    mean = len(labelled) / len(kinds)
    odd = max(kinds, key=lambda letter: abs(counts.get(letter, 0) - mean))
    said = ", ".join(f"{letter} {counts.get(letter, 0)}" for letter in kinds)
    flaws = [(row, row.question, f"the answer is {odd}") for row, right in labelled if right == odd]
    if not flaws:
        flaws = [(row, row.question, f"the answer is never {odd}") for row, _ in labelled]
    summary = f"have {odd} as the right answer ({said}; p = {probability:.2g})"
    if not counts.get(odd, 0):
        summary = f"have another right answer than {odd} ({said}; p = {probability:.2g})"
    todo = "shuffle the options and their letters: the model learns which letter is likely"
    return finding("label-skew", "warning", flaws, len(labelled), summary, todo)


def _most_options(found: Sequence[tuple[Row, tuple[list[str], str | None]]]) -> str:
    sizes = Counter(len(letters) for _, (letters, _) in found)
    return "ABCDEFGH"[: sizes.most_common(1)[0][0]] if sizes else ""


def _run(letters: Sequence[str]) -> list[str]:
    """The letters from A on, each once, as far as none is missing."""
    run = ""
    for letter in letters:
        if len(run) < 8 and letter == "ABCDEFGH"[len(run)]:
            run += letter
    return list(run)


def _chi_square_tail(value: float, freedom: int) -> float:
    """The upper tail by its recurrence over the degrees of freedom (Abramowitz and Stegun, 26.4.8)."""
    half = value / 2
    tail, at = (math.erfc(math.sqrt(half)), 1) if freedom % 2 else (math.exp(-half), 2)
    while at < freedom:
        tail += math.exp(-half + at / 2 * math.log(half) - math.lgamma(at / 2 + 1)) if half else 0.0
        at += 2
    return min(tail, 1.0)


def _binomial(count: int, total: int, share: float) -> float:
    """Two-sided: all outcomes that are no likelier than this one."""
    each = [math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(total + 1)]
    return min(1.0, sum(one for one in each if one <= each[count] * (1 + 1e-7)))
