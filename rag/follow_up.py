"""Whether a question can be understood without the conversation before it. Pure functions."""

import re
from dataclasses import dataclass
from enum import StrEnum

from rag.generic_words import asks_for_more, own_terms
from rag.reference import QUOTED, open_reference


class Need(StrEnum):
    """What a question takes from the conversation.

    switch: the question before it, about another topic (「那UDP呢？」). reference: what a pronoun stands for.
    ordinal: an item of a list (「第二个条件」). topic: the topic alone (「有什么优点？」).
    everything: the whole question before it (「为什么？」).
    """

    switch = "switch"
    reference = "reference"
    ordinal = "ordinal"
    topic = "topic"
    everything = "everything"


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question that depends on the conversation, without 那 or "and" before it.

    `[start, end)`: the words to be replaced, or for a switch the new topic; empty when there are none.
    """

    text: str
    need: Need
    start: int = 0
    end: int = 0

    @property
    def words(self) -> str:
        """The words between `start` and `end`."""
        return self.text[self.start : self.end]

    def with_words(self, words: str) -> str:
        """The question with other words in their place."""
        return self.text[: self.start] + words + self.text[self.end :]


_QUOTED = re.compile(r"“[^”]*”|「[^」]*」|《[^》]*》|\"[^\"]*\"")
_LEAD = re.compile(
    r"^(?:(?:那么|那末|那(?![个种些里样次])|然后|所以|而(?!且)|另外)[，,\s]*|(?:and|but|so|then|okay|ok)\b[,\s]*)+(?=.)",
    re.I,
)
_ASKS_ZH = "什么|怎|如何|哪|几|多少|多大|多长|为何|谁|吗|是不是|是否|有没有|能不能"
_ABOUT = (
    re.compile(
        rf"^(?:至于|换成|如果是|对于|还有)?(?P<topic>(?:(?!{_ASKS_ZH}).)+?)(?:又|也)?(?:呢|又如何|又怎样)[？?。\s]*$"
    ),
    re.compile(r"^(?:对于?|在)?(?P<topic>[^，,]+?)(?:也|同样)(?:是这样|是|如此|一样|适用|成立)+(?:的)?吗[？?\s]*$"),
    re.compile(r"^(?:what|how)\s+about\s+(?P<topic>[^?]+?)[?.\s]*$", re.I),
    re.compile(r"\bthe same\s+(?:hold|apply|go|work|true)\s+(?:for|to|of|with|in)\s+(?P<topic>[^?]+?)[?.\s]*$", re.I),
)
_AND = re.compile(r"^(?:and|but)\b", re.I)
_AND_WHAT = re.compile(r"^(?:for\s+|with\s+)?(?P<topic>[^\s?]+(?:\s+[^\s?]+){0,6}?)[?.\s]*$", re.I)
_WHOLE_SENTENCE = re.compile(
    r"^(?:what|how|why|when|where|who|whose|which|is|are|was|were|do|does|did|can|could|should|will|would|has|have"
    r"|had|may|must|explain|describe|define|compare|list|give|tell|show|prove|name)\b",
    re.I,
)
_CIRCUMSTANCE = re.compile(
    r"(?:时|时候|下|后|之前|以前|的话)$"
    r"|^(?:after|before|when|while|if|during|in|under|on|without|at|as|once|since|until)\b",
    re.I,
)
_SAID_BEFORE = re.compile(
    r"上述|刚才|刚刚[说提讲]|[上前]面(?:的|所|[说提讲])|你(?:刚才|刚刚|上面|前面)?(?:所)?(?:说|提到|讲|列)的|^以上"
    r"|\byou (?:just |have )?(?:said|mentioned|listed|described|named)\b|\b(?:mentioned|listed) above\b|\bthe above\b",
    re.I,
)
_WHICH = re.compile(
    r"^which\s+(?:one\b(?!\s+of)|(?:is|are)\s+(?:more|less|better|worse|\w+er)\b)|^哪一?[个种](?:更|比较|最|好|快)",
    re.I,
)
_ORDINAL = re.compile(
    r"(?:第[一二三四五六七八九十\d]+|最后一)[个种步条点项类句层](?:(?![的是有为怎如什指能可呢])[\u4e00-\u9fff]){0,4}"
    r"|\b(?:the\s+)?(?:first|second|third|fourth|fifth|sixth|seventh|last|\d(?:st|nd|rd|th))\s+\w+"
    r"|\b(?:step|point|item|condition|number|rule|property|case)\s+(?:\d|one|two|three|four|five)\b",
    re.I,
)
_NUMBER_ZH = re.compile(r"(?:第[一二三四五六七八九十\d]+|最后一)[个种步条点项类句层]")
_DEFINITION = re.compile(
    r"^(?:请问)?(?:什么是|何谓|何为)(?![它他这那其])[^？?，,]+[？?。\s]*$"
    r"|^(?:what(?:'s| is)\s+(?!(?:the|that|this|it|its|their|an? (?:example|reason))\b)"
    r"|define\s+(?!(?:it|this|that|them)\b))"
    r"[^?,]+[?.\s]*$",
    re.I,
)
_VERB_ALONE = re.compile(
    r"^[又还该应要具体]*(?:怎么|怎样|如何|为什么要?)(?:去|来)?[\u4e00-\u9fff]{1,3}?[呢的]?[？?\s]*$"
)


def follow_up(question: str) -> FollowUp | None:
    """What `question` needs of a conversation; None when it says everything itself."""
    question = question.strip()
    lead = _LEAD.match(question)
    text = question[lead.end() :] if lead else question
    bare = _QUOTED.sub(lambda quoted: QUOTED * len(quoted.group()), text)
    reference = open_reference(bare)
    if not reference and (topic := _other_topic(bare, joined=bool(_AND.match(question)))):
        start, end = topic
        if _CIRCUMSTANCE.search(text[start:end]):
            return FollowUp(text, Need.everything)
        return FollowUp(text, Need.switch, start, end)
    if reference:
        return FollowUp(text, Need.reference, *reference)
    if _SAID_BEFORE.search(bare):
        return FollowUp(text, Need.everything)
    return _elliptical(text, led=lead is not None)


def _other_topic(text: str, *, joined: bool) -> tuple[int, int] | None:
    """`[start, end)` of X in 「X呢？」, "How about X?", "And X?", when X is a topic and not what is asked about it."""
    found = next(filter(None, (pattern.search(text) for pattern in _ABOUT)), None)
    if not found and joined and not _WHOLE_SENTENCE.match(text):
        found = _AND_WHAT.match(text)
    if not found or _says_what_is_asked(found["topic"]):
        return None
    named = _own(found["topic"]) or _CIRCUMSTANCE.search(found["topic"])
    return found.span("topic") if named else None


def _says_what_is_asked(words: str) -> bool:
    """「UDP的缺点」, "the drawbacks of UDP": such words are a question already."""
    owner, _, aspect = words.rpartition("的")
    if owner and not _own(aspect):
        return True
    aspect, of, owner = words.partition(" of ")
    return bool(of) and not _own(aspect)


def _elliptical(text: str, *, led: bool) -> FollowUp | None:
    """A question that names no topic of its own."""
    if _DEFINITION.match(text):
        return None
    if (item := _ORDINAL.search(text)) and not _own(text):
        return FollowUp(text, Need.ordinal, *item.span())
    if asks_for_more(text):
        return FollowUp(text, Need.everything)
    if not _own(text) or _WHICH.match(text) or (led and _VERB_ALONE.match(text)):
        return FollowUp(text, Need.topic)
    return None


def _own(text: str) -> list[str]:
    return own_terms(_NUMBER_ZH.sub("", text))
