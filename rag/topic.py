"""What a question is about, as far as a question after it can refer to it. Pure functions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.text import cjk_count
from rag.generic_words import own_terms
from rag.question import topic_of

_END = " \t？?。.！!，,"
_LEAD_ZH = re.compile(r"^(?:请问|请|简述|试述|说明|解释|介绍|描述|谈谈|比较|对比|一下)+")
_LEAD_EN = re.compile(
    r"^(?:please|explain|describe|compare|list|define|discuss|name|tell me about|what about)\s+", re.I
)
_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.I)
# What is asked about a topic that stands before it (「怎样预防死锁」) and after it (「TCP如何…」).
_ASKED_BEFORE = re.compile(r"^(?:怎样|怎么|如何|为什么要?|为何|哪些|什么时候|有哪些)(?P<topic>[^？?，,]{2,})")
_ASKED_AFTER = re.compile(
    r"^(?P<topic>[^？?，,]{1,30}?)(?:之间)?(?:都|各|又|主要|一般|通常)?(?:是(?:怎|如何|什么|哪|谁|多少|由|用)|是指|指的?是|怎|如何|为什么|为何"
    r"|有(?:哪|什么|何|几|多)|分为|分成|包括|由哪|需要|可以|能否|能不能|会|采取|在哪|什么时候|何时|多)"
)
_AUXILIARY = re.compile(
    r"^(?:how|why|when|where|who|what|which(?: \w+)?)\s+"
    r"(?:do|does|did|is|are|was|were|can|could|should|must|will|would)\s+(?P<rest>[^?.,]+)",
    re.I,
)
_NAME = re.compile(r"(?:[A-Z][\w+-]*\s+)+|(?:[A-Z][\w+-]*\s*)+$")
_PAIR_EN = re.compile(
    r"(?:differences?|relationships?|similarit\w+|connections?|distinction)\s+between\s+(?P<one>.+?)\s+and\s+(?P<other>[^?.]+)"
    r"|^(?:please\s+)?compare\s+(?P<one_>.+?)\s+(?:and|with|to)\s+(?P<other_>[^?.,]+)"
    r"|^(?:how|what)\s+(?:do|are|is|does)\s+(?P<one__>.+?)\s+(?:and|vs\.?|versus)\s+(?P<other__>.+?)(?:\s+(?:differ|compare|relate).*)?[?.]*$",
    re.I,
)
_PAIR_ZH = re.compile(
    r"^(?P<one>[^？?，,的]{1,15}?)(?:和|与|跟|同)(?P<other>[^？?，,的]{1,15}?)"
    r"(?:之间|相比|两者)?(?:的|有什么|有何|有哪些)?(?:主要|本质)?(?:区别|不同|异同|差别|差异|关系|联系|相同|共同|优缺点|比较|对比)"
)
_BARE = re.compile(r"^(?:[^吗呢比是有]{1,12}|(?!(?:is|are|was|were|do|does|did|can)\b)[!-~]+(?:\s[!-~]+){0,3})$", re.I)
_POSSESSIVE = re.compile(r"^(?P<owner>.+?)(?:'s|’s)\s+(?P<aspect>.+)$")


@dataclass(frozen=True, slots=True)
class Topic:
    """name: what a pronoun stands for. owner: what another topic can take the place of.

    pair: the two sides of a comparison, or a topic and the one before it; else empty.
    """

    name: str
    owner: str
    pair: tuple[str, ...] = ()


def topic_in(question: str) -> Topic:
    """The topic of a question that can be understood alone; the whole question when its form is unknown."""
    asked = _LEAD_ZH.sub("", question.strip(_END))
    if pair := _pair(asked):
        name = both(pair, asked)
        return Topic(name, name, pair)
    phrase = _phrase(asked)
    if not own_terms(phrase):
        return Topic(asked, "")
    owner, aspect = _owned(phrase)
    return Topic(_with_article(phrase if own_terms(aspect) else owner, asked), owner)


def both(pair: Sequence[str], asked: str) -> str:
    """Two topics as one, in the language of the question."""
    return ("和" if cjk_count(asked) else " and ").join(pair)


def _with_article(name: str, asked: str) -> str:
    found = re.search(rf"\b(?:an?|the)\s+{re.escape(name)}", asked, re.I) if name.isascii() else None
    return found.group() if found else name


def _pair(asked: str) -> tuple[str, str] | tuple[()]:
    for pattern in (_PAIR_ZH, _PAIR_EN):
        if found := pattern.search(asked):
            one, other = (_ARTICLE.sub("", side.strip(_END)) for side in found.groups() if side)
            return (one, other) if own_terms(one) and own_terms(other) else ()
    return ()


def _phrase(asked: str) -> str:
    """The words that name the topic, with what is asked about it as far as it stands beside them."""
    if found := _ASKED_BEFORE.match(asked):
        return _without_generic_start(found["topic"])
    if topic := topic_of(asked):
        return topic
    if found := _AUXILIARY.match(asked):
        rest = _ARTICLE.sub("", found["rest"])
        name = _NAME.match(rest)
        return (name.group() if name else _until_generic(rest)).strip()
    if found := _ASKED_AFTER.match(asked):
        return found["topic"].strip()
    stripped = _ARTICLE.sub("", _LEAD_EN.sub("", asked))
    return stripped if stripped != asked or _BARE.match(asked) else ""


def _without_generic_start(words: str) -> str:
    """死锁 of 预防死锁."""
    for size in (4, 3, 2):
        if len(words) > size and not own_terms(words[:size]):
            return words[size:]
    return words


def _until_generic(words: str) -> str:
    """hash table of "hash table work"."""
    kept: list[str] = []
    for word in words.split():
        if kept and not own_terms(word) and word.lower() not in {"of", "and", "in", "for"}:
            break
        kept.append(word)
    return " ".join(kept)


def _owned(phrase: str) -> tuple[str, str]:
    """A topic and what is asked about it: TCP and header size, 死锁 and 四个必要条件."""
    if found := _POSSESSIVE.match(phrase):
        return found["owner"], found["aspect"]
    owner, of, aspect = phrase.partition("的")
    if of and own_terms(owner):
        return owner, aspect
    aspect, of, owner = phrase.partition(" of ")
    if of and own_terms(owner):
        return _ARTICLE.sub("", owner), aspect
    return phrase, ""
