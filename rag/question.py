"""What a question asks for, read off its words. Pure functions."""

import re
from enum import StrEnum


class QuestionKind(StrEnum):
    """The form of answer that fits."""

    definition = "definition"
    listing = "listing"
    reason = "reason"
    comparison = "comparison"
    quantity = "quantity"
    code = "code"
    other = "other"


_PATTERNS: tuple[tuple[QuestionKind, re.Pattern[str]], ...] = (
    (
        QuestionKind.comparison,
        re.compile(r"区别|异同|不同之处|有何不同|有什么不同|比较|对比|\bdiffer|\bcompar|\bversus\b|\bvs\b", re.I),
    ),
    (
        QuestionKind.code,
        re.compile(r"代码|程序|伪代码|怎么写|用\s*(?:C|Java|Python)|\bcode\b|\bimplement|\bquery\b|\bSQL\b", re.I),
    ),
    (QuestionKind.reason, re.compile(r"为什么|为何|为啥|原因|缘故|\bwhy\b|\breasons?\b", re.I)),
    (
        QuestionKind.listing,
        re.compile(
            r"哪些|哪几|几[个种类条步点]|[两二三四五六七八九十]+[个种类大条步点]|步骤|流程|优缺点|特点|特征|分类|分为"
            r"|包括|条件(?:是什么(?!意思)|有)|\bsteps?\b|\bwhat are\b|\bwhich are\b|\blist\b"
            r"|\bkinds? of\b|\btypes? of\b|\bproperties\b|\badvantages\b|\bdrawbacks\b",
            re.I,
        ),
    ),
    (
        QuestionKind.definition,
        re.compile(
            r"什么是|何谓|是什么|的定义|的概念|定义是|指什么|什么意思|含义"
            r"|\bwhat is\b|\bwhat's\b|\bdefin|\bmeaning of\b",
            re.I,
        ),
    ),
    (QuestionKind.quantity, re.compile(r"多少|多大|多长|多快|几位|几层|\bhow (?:many|much|long|large|fast)\b", re.I)),
)
_TOPIC = (
    re.compile(r"(?:什么是|何谓)\s*(?P<topic>[^？?，,。]+)"),
    re.compile(
        r"^(?:请问|请简述|简述)?(?P<topic>[^？?，,。]+?)(?:的定义|的概念|的含义)?(?:是什么|指什么|是什么意思|的定义|的概念)"
    ),
    re.compile(r"(?:what(?:'s| is| are)|define|meaning of)\s+(?:an?\s+|the\s+)?(?P<topic>[^?,.]+)", re.I),
)


def kind_of(question: str) -> QuestionKind:
    """The first kind whose words occur in the question."""
    return next((kind for kind, pattern in _PATTERNS if pattern.search(question)), QuestionKind.other)


def topic_of(question: str) -> str:
    """What is to be defined: 「什么是死锁？」 → 死锁. Empty when the question does not have that form."""
    for pattern in _TOPIC:
        if match := pattern.search(question):
            return match.group("topic").strip()
    return ""
