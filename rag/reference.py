"""Pronouns, and whether the question itself says what they stand for. Pure functions."""

import re
from collections.abc import Sequence

from rag.generic_words import own_terms

# Stands for each character of a quotation: its own pronouns mean nothing outside of it.
QUOTED = "＿"

_NOUN_ZH = "算法|方法|机制|定理|概念|结构|过程|技术|协议|模型|现象|理论|制度|事件|公式|性质"
_NOUN_EN = "method|algorithm|theorem|concept|approach|mechanism|process|property|rule|idea|structure|protocol|event"
_WORD = re.compile(
    rf"(?<!其)它们?|(?<!其)他(?!人)们?|她们?|(?<![尤极与何莫])其(?![他它实次])(?:中|余)?|前者|后者|[两二三]者"
    rf"|(?<![应不就又也还才我你们])该(?![怎如用选在不有由从向把被去做写])(?:{_NOUN_ZH})?"
    rf"|这(?:[两几三四]?[个种些项类条步次样里](?:{_NOUN_ZH})?)?|那(?:[个种些](?:{_NOUN_ZH})?|样|里)"
    rf"|(?<![因彼从如由对为与据])此(?!外)"
    rf"|\b(?:the former|the latter|the two(?=\s*[?.,]|\s+(?:differ|compare|relate))"
    rf"|(?:this|that|these|those)\s+(?:{_NOUN_EN})(?:e?s)?|its?|they|them|theirs?|this|these|those|he|him|his|she|hers?"
    rf"|such an?|(?:the|another|this|that)\s+(?:other\s+)?ones?(?!\s+that)"
    rf"|(?<=\b(?:is|do|by|of) )that|(?<=\b(?:did|was|can|why|for) )that|(?<=\b(?:does|will|like|from|with) )that"
    rf"|(?<=\b(?:about|would|could) )that|there(?=\s*\?*$))\b",
    re.I,
)
_EXISTS = re.compile(r"\b(?:is|are|was|were)\s+$", re.I)
# "What is it called when …", "Does it matter if …": this `it` stands for the clause that follows.
_EXPLETIVE = re.compile(
    r"\bit\s+(?:\w+ly\s+)?(?:called|known|named|termed|said|possible|impossible|necessary|important|true|false|hard"
    r"|difficult|easy|better|useful|safe|correct|bad|good|common|likely|believed|assumed|enough|sufficient|legal|wise"
    r"|mean|take|matter|help|cost|make sense)\b[^?]*?\b(?:to|that|when|if|whether|for)\b",
    re.I,
)
# What a topic is compared with is not what a pronoun stands for.
_COMPARED = re.compile(
    r"(?:和|与|跟|同|比)[^，,。？]{1,20}?(?:相比较?|比较|比起来)|相[比对]于?[^，,。？]{1,20}"
    r"|\b(?:compared (?:with|to)|unlike|in contrast to|than)\s+[^,?]+",
    re.I,
)
_BESIDE_ZH = re.compile(r"[和与跟同比]\s*$")
_BOUND_ZH = re.compile(r"^(?:所|自己|的(?P<noun>[^？?，,]+))")
_BESIDE_EN = re.compile(r"\b(?:than|from|with|to|and|versus|like)\s+$", re.I)
_CLAUSE_END = re.compile(r"^\s*(?:[?.,]|$)")
# These leave a verb or its object before a pronoun, and no antecedent: 「怎样删除它」, "How do you traverse it".
_VERB_BEFORE = re.compile(
    r"(?:怎么|怎样|如何|为什么要?|能否|可以|应该|需要)(?:去|来)?[\u4e00-\u9fff]{1,2}$"
    r"|\b(?:can|do|does|should|could|would|must|did|to)\s+(?:i|you|we|one|people)\s+\w+(?:\s\w+)?\s*$",
    re.I,
)
_OBJECT_FIRST = re.compile(
    r"^(?:(?:in|for|at|to|by|under)\s+)?(?:what|which|how many|how much)\s[\w\s-]{1,30}\s"
    r"(?:do|does|did|is|are|was|were|can|could|will|would|should)\s*$",
    re.I,
)
_SUBJECT = re.compile(r"it|they|he|she|this|these|that|those", re.I)


def open_reference(text: str) -> tuple[int, int] | None:
    """`[start, end)` of the first pronoun of `text` whose meaning stands outside of it."""
    for word in _WORD.finditer(text):
        empty = any(clause.start() == word.start() for clause in _EXPLETIVE.finditer(text))
        if not empty and not _explained(text[: word.start()], word.group(), text[word.end() :]):
            return word.span()
    return None


def _explained(before: str, word: str, after: str) -> bool:
    """Whether the words before a pronoun name what it stands for."""
    if word.lower() == "there":
        return bool(_EXISTS.search(before))
    if _names_something(re.split("[，,；;：:]", before)[:-1]):
        return True
    if _BESIDE_EN.search(before) and _CLAUSE_END.match(after):
        return False
    if _BESIDE_ZH.search(before):
        bound = _BOUND_ZH.match(after)
        if not bound or (bound["noun"] and not own_terms(bound["noun"])):
            return False
    if _OBJECT_FIRST.match(before) and _SUBJECT.fullmatch(word):
        return False
    return _names_something([_VERB_BEFORE.sub("", before)])


def _names_something(clauses: Sequence[str]) -> bool:
    text = _COMPARED.sub("", "，".join(clauses) + "，")
    return QUOTED in text or bool(own_terms(text))
