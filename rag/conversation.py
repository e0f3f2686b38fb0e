"""From a question in a conversation to one that can be understood alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from core.errors import ConfigError, ModelError, Overloaded
from core.text import cjk_count, language_of, without_invisible
from core.types import Turn
from rag import prompts
from rag.context import TURN, Cost, estimated_tokens
from rag.follow_up import FollowUp, Need, follow_up
from rag.generic_words import own_terms
from rag.topic import Topic, both, topic_in

_LONGEST = 300
_TURNS = 6
_TOKENS = 120
_END = " \t？?。.！!"
_LABEL = re.compile(
    r"^(?:(?:改写|重写|独立|完整)[^：:]{0,8}|问题|(?:rewritten|standalone|self-contained)?\s*question)\s*[：:]\s*", re.I
)
_ASKS = re.compile(
    r"[？?]$|什么|怎|如何|哪|几|多少|为何|谁|吗$|^(?:请|说明|解释|比较|列举|简述|举)"
    r"|^(?:what|how|why|when|where|who|which|whose|is|are|do|does|did|can|explain|describe|compare|list|give|define)\b",
    re.I,
)
_POSSESSIVE = frozenset({"其", "its", "their", "his"})
_FORMER, _LATTER = frozenset({"前者", "the former"}), frozenset({"后者", "the latter"})
_STARTS_A_PREDICATE = re.compile(
    r"^(?:有|是|怎|如何|分|为|能|会|可以|包|应|该|在|由|和|与|做|用|需|要|属|适|举|给|请|再|说|什么时候)"
    r"|^(?:is|are|was|were|do|does|can|could|has|have|had|will|would)\b",
    re.I,
)
_BEFORE_A_NOUN = re.compile(r"这[两几三四]?[个种些项类条步次]?|该|此|this|these|those|such an?", re.I)
_WHAT_ARE_THE = re.compile(
    r"^(?:what\s+(?:is|are|was|were)|the|any)\s+[\w\s-]+$|\b(?:an?|some|another|more)\s+examples?$", re.I
)
_ITEM = re.compile(
    r"^[ \t]*(?:[（(]?(?P<number>\d{1,2})[.、)）]|(?P<circled>[①-⑳])|[-*•])[ \t]*"
    r"(?P<name>[^：:。；;\n(（]{1,40}?)(?:[：:。；;\n(（\[]|[,，]?\s+(?:means?|is|are|refers?)\b|是指?|指的?是|$)",
    re.M,
)
_NUMBER = re.compile(
    r"[一二三四五六七八九十]+|\d+|first|second|third|fourth|fifth|sixth|seventh|one|two|three|four|five", re.I
)
_NUMBERS = {
    word: number
    for words in (
        "一 二 三 四 五 六 七 八 九 十",
        "first second third fourth fifth sixth seventh",
        "one two three four five",
        "1 2 3 4 5 6 7 8 9 10",
    )
    for number, word in enumerate(words.split(), 1)
}


class Rewriter(Protocol):
    """Makes a question that depends on a conversation one that can be understood alone."""

    def rewrite(self, question: str, history: Sequence[Turn]) -> str:
        """`question` as it is when it does not depend on `history`."""


class TermRewriter:
    """Carries the topic of the conversation into the question; needs no model."""

    def rewrite(self, question: str, history: Sequence[Turn]) -> str:
        """Pronouns are replaced by the topic; where there are none, the topic is put beside the question."""
        if len(question) > _LONGEST:
            return question
        standing: _Standing | None = None
        said = ""
        for turn in history:
            if turn.role == "user":
                standing = _stand(turn.content[:_LONGEST], standing, said)
            else:
                said = turn.content
        found = _stand(question, standing, said)
        return found.question if found else question


class ModelRewriter:
    """Has a LangChain chat model write the question anew; carries terms where that gives no question."""

    def __init__(self, chat: BaseChatModel, cost: Cost = estimated_tokens, room: int | None = None) -> None:
        """cost: tokens of a text. room: of prompt and reply together; None: as much as the prompt needs."""
        self._chat = chat
        self._terms = TermRewriter()
        self._cost = cost
        self._room = room

    def rewrite(self, question: str, history: Sequence[Turn]) -> str:
        """The model is asked only when the question depends on the conversation, and there is one."""
        carried = self._terms.rewrite(question, history)
        messages = self._messages(question, history)
        if messages is None:
            return carried
        try:
            reply = self._chat.invoke(messages, temperature=0.0, max_new_tokens=_TOKENS)
        except (ModelError, Overloaded, ConfigError):
            return carried
        return checked(without_invisible(str(reply.text)), question, history) or carried

    def _messages(self, question: str, history: Sequence[Turn]) -> list[BaseMessage] | None:
        """The last turns that fit, and the question; None where nothing is to be asked, or no turn fits."""
        if len(question) > _LONGEST or follow_up(question) is None:
            return None
        language = language_of(question)
        turns = history[-_TURNS:]
        while any(turn.content.strip() for turn in turns):
            prompt = prompts.rewriting(question, turns, language)
            rules = prompts.REWRITE[language]
            used = self._cost(rules) + self._cost(prompt) + 3 * TURN + _TOKENS
            if self._room is None or used <= self._room:
                return [SystemMessage(rules), HumanMessage(prompt)]
            turns = turns[1:]
        return None


def checked(reply: str, question: str, history: Sequence[Turn]) -> str | None:
    """The question in a model's reply; None when it is none, or talks of what nobody has mentioned."""
    line = _LABEL.sub("", reply.rpartition("</think>")[2].strip()).strip(' "“”「」')
    if not line or "\n" in line or "<think>" in line or len(line) > _LONGEST:
        return None
    if not _ASKS.search(line):
        return None
    said = set(own_terms(" ".join((question, *(turn.content for turn in history[-_TURNS:])))))
    terms = own_terms(line)
    known = [term for term in terms if term in said]
    return line if known and 2 * len(known) >= len(terms) and follow_up(line) is None else None


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the conversation is about: its last question, made self-contained, and the topic of that."""

    question: str
    topic: Topic


def _stand(question: str, before: _Standing | None, said: str) -> _Standing | None:
    """The conversation after one more question; None without a topic. said: the answer before it."""
    found = follow_up(question)
    if found is None:
        return _Standing(question, topic_in(question))
    if before is None:
        return None
    topic = before.topic
    match found.need:
        case Need.switch:
            return _switched(found, before)
        case Need.reference:
            topic = _side(found, topic)
            return _Standing(_with_topic(found, topic.name), topic)
        case Need.ordinal:
            item = _item(found.words, said)
            named = found.with_words(item) if item else found.text
            return _Standing(f"{topic.name if item else before.question} {named}", topic)
        case Need.topic:
            return _Standing(_about(found.text, topic.name), topic)
        case Need.everything:
            # One 「为什么？」 after another must not pile up.
            carried = before.question if len(before.question) < _LONGEST else topic.name
            question = carried if found.text in carried else f"{carried} {found.text}"
            return _Standing(question[:_LONGEST], topic)


def _switched(found: FollowUp, before: _Standing) -> _Standing:
    """The question before, asked about another topic."""
    old, new = before.topic, found.words.strip()
    owner = old.name if _is_phrase(new) else old.owner
    place = re.search(rf"(?:\b(?:an?|the)\s+)?{re.escape(owner)}", before.question, re.I) if owner else None
    start, end = place.span() if place else (0, 0)
    question = f"{before.question[:start]}{new}{'' if place else ' '}{before.question[end:]}"
    return _Standing(question, replace(topic_in(question), pair=(old.owner or old.name, new)))


def _is_phrase(words: str) -> bool:
    return "的" in words or "'s " in words or " of " in words


def _side(found: FollowUp, topic: Topic) -> Topic:
    """The topic that a pronoun stands for: one side of a comparison, both of them, or all there is."""
    word = found.words.lower()
    if topic.pair and word in _FORMER | _LATTER:
        side = topic.pair[word in _LATTER]
        return Topic(side, side)
    if topic.pair and word in {"两者", "二者", "它们", "the two", "they", "them"}:
        return replace(topic, name=both(topic.pair, found.text))
    return topic


def _with_topic(found: FollowUp, name: str) -> str:
    """The question with `name` in place of its pronoun, or before it where the pronoun has a noun of its own."""
    word = found.words
    rest = found.text[found.end :].lstrip()
    if _BEFORE_A_NOUN.fullmatch(word) and rest[:1].isalnum() and not _STARTS_A_PREDICATE.match(rest):
        return f"{name}{'' if cjk_count(word) else ':'} {found.text}"
    if word.lower() in _POSSESSIVE:
        name += "的" if cjk_count(word) else "'s"
    return found.with_words(name)


def _about(text: str, name: str) -> str:
    """A question without a topic, about `name`."""
    if cjk_count(text):
        return f"{name}{'' if _STARTS_A_PREDICATE.match(text) else '的'}{text}"
    asked = text.rstrip(_END)
    return f"{asked} of {name}?" if _WHAT_ARE_THE.search(asked) else f"{name}: {text}"


def _item(words: str, said: str) -> str | None:
    """The name of the item that 「第二个条件」 means in the list of an answer, if it holds one."""
    number = _NUMBER.search(words)
    wanted = _NUMBERS.get(number.group().lower()) if number else None
    items = {_number(item, place): item["name"].strip(" *_`") for place, item in enumerate(_ITEM.finditer(said), 1)}
    return items.get(wanted) if wanted else None


def _number(item: re.Match[str], place: int) -> int:
    if item["circled"]:
        return ord(item["circled"]) - ord("①") + 1
    return int(item["number"] or place)
