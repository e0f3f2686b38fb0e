"""What a question and its answer say together, as claims. Pure functions."""

import re

from core.text import length
from finetune.audit.claims import Claim, claims_in, number_of, points_elsewhere, subject_of, value_of
from finetune.audit.rows import same
from rag.generic_words import own_terms

_SHORT = 12  # words; a longer answer is sentences of its own
_ADVERB = r"(?:通常|一般|主要|大多|多|常|往往|经常)*"
_WHAT = r"(?:什么|哪[一种个类层些]*|多少)"
_ASKED = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"^(?P<context>在[^，,]{{1,24}}[，,])?哪[一种个类]+(?:类型|种类)?的?[^，,是]{{0,12}}?{_ADVERB}(?:被)?"
        r"(?:用作|用来作为|作为|称为|是)(?P<x>[^，,]{1,30})$",
        rf"^(?P<context>在[^，,]{{1,24}}[，,])?(?P<x>[^，,]{{1,40}}?){_ADVERB}(?:是由|由|是|为|采用|使用|用|位于|属于|被?称为|叫做?|工作在)"
        rf"(?:的是)?{_WHAT}[^，,]{{0,14}}$",
        r"^(?P<context>在[^，,]{1,24}[，,])?(?P<x>[^，,]{1,40}?)(?:(?:采用|使用|用)的是|是|为|等于)$",
        r"^(?:which|what) (?:kind of |type of |sort of )?[\w\s]{1,30}? (?:is|are) "
        r"(?:(?:usually|generally|typically|normally) )?(?:used (?:as|for)) (?:the |a |an )?(?P<x>[\w\s/+-]{1,60})$",
        r"^what (?:is|are) (?:the |a |an )?(?P<x>[\w\s/+()-]{1,60}?)(?: (?:made of|built from))?$",
    )
)
_HOW_MANY = re.compile(r"几(?=[个种次层级类位条步])|多少(?=[个种次层级类位条步])|多少|几(?=\w)")
_WHETHER = re.compile(r"[吗嘛]$")
_YES, _NO = re.compile(r"^(?:是的?|对的?|正确|可以|能|会|yes|true|correct)\b", re.I), re.compile(
    r"^(?:不是?|否|不对|错误?|不正确|不可以|不能|不会|no|false|incorrect)\b", re.I
)  # fmt: skip
_END = " ？?：:。.（）() "


def claims_of(question: str, answer: str) -> list[Claim]:
    """What an answer says; a short one with its question, which must be whole and of one clause or two."""
    question, answer = question.strip().strip(_END), answer.strip()
    if length(answer) > _SHORT or not question:
        return claims_in(answer)
    found = _yes_or_no(question, answer)
    text = f"{question} → {answer}"
    if number := _how_many(question, answer):
        found += [Claim(one.kind, one.subject, one.value, text) for one in claims_in(number) if one.kind == "number"]
    elif not found and (value := value_of(answer)):
        whole = "\n" not in question and not points_elsewhere(question)
        match = next((match for pattern in _ASKED if whole and (match := pattern.match(question))), None)
        subject = subject_of((match.groupdict().get("context") or "") + match["x"]) if match else ()
        found += [Claim("value", subject, value, text)] if subject else []
        # The same question again has the same subject, whatever it is about.
        if own_terms(question):
            found.append(Claim("value", (same(question),), value, text))
    return found or claims_in(answer)


def statement(question: str, answer: str) -> str:
    """A short answer and its question as one sentence, for a search in a passage."""
    if length(answer) > _SHORT:
        return answer
    asked = re.sub(rf"{_WHAT}|几|[吗呢？?：:]|^(?:which|what|how many)\b", "", question.strip(), flags=re.I)
    return f"{asked.strip()} {answer.strip()}"


def is_short(answer: str) -> bool:
    """Whether an answer is a phrase that says nothing without its question."""
    return length(answer) <= _SHORT


def _how_many(question: str, answer: str) -> str:
    """进程有几种状态 with 五种 is 进程有5种状态."""
    places = _HOW_MANY.findall(question)
    number = number_of(re.sub(r"^(\d+|[一二两三四五六七八九十]+)$", r"\1个", answer.strip(_END)))
    return _HOW_MANY.sub(f" {number} ", question) if len(places) == 1 and number and len(answer) < 10 else ""


def _yes_or_no(question: str, answer: str) -> list[Claim]:
    if not _WHETHER.search(question) or not (_YES.match(answer) or _NO.match(answer)):
        return []
    said = [claim for claim in claims_in(_WHETHER.sub("", question)) if claim.kind == "said"]
    turned = {"yes": "no", "no": "yes"} if _NO.match(answer) else {"yes": "yes", "no": "no"}
    return [Claim("said", one.subject, turned[one.value], f"{question} → {answer}") for one in said]
