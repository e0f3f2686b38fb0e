"""Which passages support a sentence, and what in it none supports. Pure functions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.blocks import announces
from rag.facts import Facts, facts, formula_stands, stands
from rag.support import Evidence, Scores
from rag.written import Kind

Reason = Literal["no-passage", "number", "formula"]

# What one of several passages must add to what they say together.
_ADDS = 0.15
# How far before all others a passage is the one that is meant, however little it says.
_AHEAD = 0.1
# What leads over, greets or speaks of the answer itself.
_TALK = re.compile(
    r"^[\W_]*(?:好的|当然|您好|你好|希望|如果你?您?(?:还|有)|如有|不知道|我不知道|抱歉|很抱歉|对不起|谢谢|总结一?下?|总之|综上(?:所述)?"
    r"|sure|certainly|of course|hello|hi\b|i hope|hope this|let me know|feel free|i (?:do not|don't) know|sorry|thank"
    r"|in summary$|to summari[sz]e$|in conclusion$)",
    re.I,
)
_ASKS = re.compile(r"[？?][\"'”’」』）)*_\s]*$")
_TALK_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Verdict:
    """claims: whether the sentence says anything that a passage could say. Passages count from 1.

    kept: those of its markers that are right. added: markers that it lacks. passages: all that support it.
    reason, values: why none does, and the numbers or formulas that are at fault, as they are written.
    """

    claims: bool
    kept: tuple[int, ...] = ()
    added: tuple[int, ...] = ()
    passages: tuple[int, ...] = ()
    reason: Reason | None = None
    values: tuple[str, ...] = ()

    @property
    def supported(self) -> bool:
        """Whether nothing speaks against showing the sentence."""
        return self.reason is None


def judge(sentence: str, cited: Sequence[int], evidence: Evidence, kind: Kind = "sentence") -> Verdict:
    """What the passages say to a sentence without its markers. cited: the passages that it names, from 1."""
    said = Facts((), ()) if kind == "code" else facts(sentence)
    scores = None if kind == "formula" else evidence.scores(sentence, code=kind == "code")
    if scores is None and not (said.values or said.formulas):
        return Verdict(claims=False)
    claims = not is_talk(sentence, kind)
    named = [number - 1 for number in dict.fromkeys(cited) if 1 <= number <= evidence.count]
    about, clear = _about(scores, named, evidence)
    missing = {at: _missing(said, [at], evidence) for at in about}
    alone = [at for at in about if not missing[at]]
    right = alone or (about if about and not _missing(said, about, evidence) else [])
    right = right + _helpful(scores, named, right)
    kept = tuple(at + 1 for at in named if at in right)
    passages = tuple(at + 1 for at in right)
    if not claims:
        return Verdict(claims, kept, (), passages)
    if right:
        return Verdict(claims, kept, () if kept else tuple(at + 1 for at in clear if at in right), passages)
    lacking = _missing(said, about or range(evidence.count), evidence)
    if not about and not (scores is None and lacking):
        return Verdict(claims, reason="no-passage", values=tuple(lacking))
    formulas = {raw for raw, _ in said.formulas}
    return Verdict(claims, reason="formula" if formulas & set(lacking) else "number", values=tuple(lacking))


def is_talk(sentence: str, kind: Kind = "sentence") -> bool:
    """Whether a sentence is a heading, a question, a greeting, or leads to what follows it."""
    if kind in {"heading", "code", "formula"}:
        return kind == "heading"
    if announces(sentence.strip()) or _ASKS.search(sentence):
        return True
    return len(sentence) <= _TALK_LENGTH and bool(_TALK.match(sentence.rstrip("。，,.!！ ")))


def _about(scores: Scores | None, named: Sequence[int], evidence: Evidence) -> tuple[list[int], list[int]]:
    """The passages that say what the sentence says, numbers and formulas aside, and the clearest to add as markers."""
    if scores is None:
        every = list(range(evidence.count))
        return every, []
    limits, total = scores.thresholds, scores.total
    found = [at for at, limit in enumerate(limits) if total[at] >= limit.supports]
    if found:
        best = max(found, key=lambda at: total[at])
        second = max((total[at] for at in range(evidence.count) if at != best), default=0.0)
        return found, [best] if total[best] >= limits[best].clear or total[best] - second >= _AHEAD else []
    for some in (named, sorted(range(evidence.count), key=lambda at: -total[at])[:2]):
        together = _together(scores, some)
        if len(together) > 1 and (score := scores.together(together)) >= max(limits[at].supports for at in together):
            return together, together if score >= max(limits[at].clear for at in together) else []
    return [], []


def _helpful(scores: Scores | None, named: Sequence[int], right: Sequence[int]) -> list[int]:
    """Passages that the sentence names and that say a part of it which those that are right do not."""
    if scores is None or not right:
        return []
    whole = scores.together(right)
    return [at for at in named if at not in right and scores.together([*right, at]) - whole >= _ADDS]


def _together(scores: Scores, passages: Sequence[int]) -> list[int]:
    """Those of some passages that each add to what the others say."""
    kept = sorted(passages)
    while len(kept) > 1:
        whole = scores.together(kept)
        adds = {at: whole - scores.together([other for other in kept if other != at]) for at in kept}
        least = min(kept, key=lambda at: adds[at])
        if adds[least] >= _ADDS:
            break
        kept.remove(least)
    return kept


def _missing(said: Facts, passages: Sequence[int], evidence: Evidence) -> list[str]:
    """The numbers and formulas of a sentence, as they are written, that stand in none of some passages."""
    values = evidence.asked_values.union(*(evidence.values[at] for at in passages))
    forms = [evidence.asked_formula, *(evidence.formulas[at] for at in passages)]
    lacking = [raw for raw, value in said.values if not stands(value, values)]
    return lacking + [raw for raw, form in said.formulas if not any(formula_stands(form, text) for text in forms)]
