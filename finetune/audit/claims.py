"""What a text says of a subject, in a form in which two texts can be held against each other. Pure functions.

A claim is a subject, as the set of its words, and a value: `主存通常由 DRAM 构成` says DRAM of {主存}. Two claims
contradict each other where the subject is the same to the word and the values exclude each other. That is seldom
certain, so it is asserted of few forms alone:

- `X is Y`, `X 由 Y 构成` and the like, and a question with a short answer, where Y and the other value are told apart
  by an opposed word (静态分配 / 动态分配), by the first letter of an acronym (SRAM / DRAM), as layers of a network, or
  as different complexities, or where the books give the value to another subject beside this one;
- a number with the same words around it;
- the same words with and without a negation.

Not seen are: another wording of the subject, values that two sentences give together, conditions, lists, causes, what
an answer leaves out, and everything that needs knowledge of what words mean.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from core.text import compatible, language_of, length, plain, sentences
from rag.generic_words import own_terms
from rag.numerals import chinese_value
from vector_db.tokenizer import content_words, normalise

Kind = Literal["value", "number", "said"]
# Words that say nothing of the subject.
_HEDGES = frozenset(
    "通常 一般 主要 常 常用 常见 多 大多 往往 经常 其 其中 即 也 都 则 又 还 便 就 可 可以 能 能够 会 被 所 以 用"
    " 种 个 类 类型 的 地 得 了 着 在 中 里 由 于 与 和 是 为 有 具有 一 一个 一种 这 这种 该 它 它们"
    " 计算机 计算机系统 系统 名 叫 称 usually generally typically mainly often normally commonly mostly system"
    " computer also then can may".split()
)
_CLASSES = frozenset({"协议", "算法", "protocol", "algorithm"})  # TCP 协议 is TCP
_NOTHING = _CLASSES | set("总 总的 综上 可得 预处理 单次 查询 证明 大致 total query preprocessing".split())
_POINTS_BACK = re.compile(
    r"该|这[个一些种]|上述|上式|下式|此|下列|下面|以下|如下|给定|给出|某|\b(?:this|that|these|those|it|they|its|their|following|given)\b",
    re.I,
)
_CONDITION = re.compile(
    r"如果|若|当|除非|只有|否则|之前|之后|以前|以后|例如|比如|假设|假定|设|每|有些|某些|有的|有一?部分|^部分|不一定|可能|至少|至多|最多|最少"
    r"|大约|约|超过|不超过|不足|以上|以下|另一"
    r"|\b(?:if|when|unless|until|before|after|suppose|let|some|may|might|at least|at most|about|more than|less than"
    r"|up to|each|every|e\.g|for example|such as|other|another)\b",
    re.I,
)
_CLAUSE = re.compile(
    r"[，,；;：:。！？!?\n]|(?<=[\u4e00-\u9fff])而(?=[\u4e00-\u9fffA-Z])|\bwhile\b|\bwhereas\b|\bbut\b"
)
_ADVERB = r"(?:通常|一般|主要|大多|多|常|往往|经常)*"
_VERB = (
    r"(?:(?<![但于可还就也都不只])(?:是由|是指|是(?!否))|由|(?<![因成作分称认以])为(?!了|什么)|(?:采用|使用(?!者)|"
    r"(?<![应作利引调使采费通])用(?![户于途来作法例量]))(?:的是)?|叫做|被?称为|位于|工作在|运行在|属于)"
)
_IS_ZH = re.compile(
    rf"^(?P<x>[^，。]{{1,30}}?){_ADVERB}{_VERB}{_ADVERB}(?P<y>[^，。]{{1,24}}?)"
    r"(?:来?(?:构成|组成|实现|制成|做成|做的)|(?<=层)的?协议|类型)?的?$"
)
_IS_EN = re.compile(
    r"^(?:the |a |an )?(?P<x>[\w\s/+-]{1,60}?) (?:is|are|uses?|is made of|is built from|consists of|is called"
    r"|belongs to|works at|runs (?:at|on)|operates at)(?: (?:usually|generally|typically|normally|mainly))?"
    r"(?: (?:a|an|the|made of|built from))? (?P<y>[\w\s/+()-]{1,40})$",
    re.I,
)
# Not 没有, which mostly belongs to a noun: 用于没有返回值的方法.
_NEGATIONS = re.compile(
    r"并?不(?=是|能|会|可以|需要|支持|具有|允许|属于|包含|包括|存在|提供|要求|保证|安全|稳定|可靠|唯一|固定|平衡|连续)|并非(?=[\u4e00-\u9fff])|无(?=需)"
    r"|(?<= )(?:not|never) |(?<=can)not\b|n't\b"
)
_ASKS = re.compile(
    r"[吗呢？?]$|什么|是否|是不是|能不能|会不会|有没有|怎么|如何|为何|哪|^(?:why|how|what|which|who|is|are|does|do)\b",
    re.I,
)
_COUNTED = r"[一二两三四五六七八九十百千]+(?=[个种次层级类位条步项大])"
_UNIT = r"(?:[KMGT]i?)?[Bb](?:ytes?|its?)?(?![a-z])|[mnμ]?s\b|[kMG]?Hz\b"
_NUMBER = re.compile(rf"(?<![A-Za-z\d_.])\d+(?:\.\d+)?(?!\.?\d)(?:(?![A-Za-z_])|(?={_UNIT}))|{_COUNTED}")
# A number measures a subject where a verb leads to it: not 第三步, 1921年获得, 3. 采用.
_MEASURED = re.compile(
    r"[\w）)]\s*(?:(?:具|共)?有|(?<![增扩改变设减升降置])为|是|需要?(?:经过)?|由|分[为成]|占用?|等于|包[含括]|"
    r"\b(?:has|have|is|are|needs?|requires?|uses|contains|takes|consists of|occupies))\s*(?:about )?"
    rf"(?:\d|{_COUNTED})"
)
_ITEM = re.compile(r"^[ \t>]*(?:[-*+•·]|[（(]?\d{1,2}[.、)）](?!\d)|[（(]?[一二三四五六七八九十]+[、)）])[ \t]*")
# What goes on about a subject that an earlier clause names.
_NO_SUBJECT = re.compile(
    r"^(?:一|有|共|分|包|即|它|其|这|该|此|是|需|由|为|并|且|则|也|还|主要|通常|从|在|被|不|没|无|可|能|会|使"
    r"|(?:it|they|this|these|that|those|there|which|who|is|are|has|have|in|on|at|not|cannot|so|thus)\b)",
    re.I,
)
_FORMULA = re.compile(r"[=<>≥≤+\\$^]")
_FEWEST_WORDS = 2
_LEADS = re.compile(r"^(?:因此|所以|故|于是|从而|而且|并且|同时|另外|此外|and |so |thus |hence )")
_LONGEST = 10  # words of a value


@dataclass(frozen=True, slots=True)
class Claim:
    """subject: its words in order.

    value: in lower case; the number, or yes and no for what is said. text: the clause as it is written.
    """

    kind: Kind
    subject: tuple[str, ...]
    value: str
    text: str


def claims_in(text: str) -> list[Claim]:
    """What the clauses of a text say."""
    return [claim for clauses in clauses_of(text) for clause in clauses for claim in _of_clause(clause)]


def clauses_of(text: str) -> Iterator[list[str]]:
    """The clauses of each sentence, without the conditional ones and all that follow them."""
    text = plain(compatible(text))
    for line in (_ITEM.sub("", line) for line in text.split("\n") if not line.lstrip().startswith("#")):
        for start, end in sentences(line):
            if _ASKS.search(line[start:end]):
                continue
            clauses: list[str] = []
            for clause in filter(str.strip, _CLAUSE.split(line[start:end].rstrip("."))):
                if _CONDITION.search(clause):
                    break
                clauses.append(_LEADS.sub("", clause.strip(" \t-*•")))
            yield clauses


def subject_of(text: str) -> tuple[str, ...]:
    """The words that name a subject: 计算机的主存储器 and 主存 are both 主存. Empty for what names none."""
    words = [_short(word) for word in content_words(text) if word not in _HEDGES]
    if not own_terms(" ".join(word for word in words if word not in _NOTHING)):
        return ()  # 时间复杂度 of what
    return tuple([word for word in words if word not in _CLASSES] or words)


def _short(word: str) -> str:
    """主存储器 is 主存, TCP协议 is TCP."""
    for end in ("存储器", "储器", "协议", "算法"):
        if word.endswith(end) and len(word) - len(end) >= 2:
            return word.removesuffix(end)
    return word


def points_elsewhere(text: str) -> bool:
    """Whether what is spoken of stands in another sentence: 该算法, 下列程序."""
    return bool(_POINTS_BACK.search(text))


def _of_clause(clause: str) -> Iterator[Claim]:
    if points_elsewhere(clause):
        return
    if said := value_claim(clause):
        yield said
    if _NO_SUBJECT.match(clause) or _FORMULA.search(clause):
        return
    bare, negations = _NEGATIONS.subn("", f" {normalise(clause)}")
    if not negations and _MEASURED.search(bare) and (value := number_of(bare)):
        subject = subject_of(_NUMBER.sub(" # ", bare))
        if len(subject) >= _FEWEST_WORDS:
            yield Claim("number", subject, value, clause)
    subject = subject_of(bare)
    if negations < 2 and len(subject) > _FEWEST_WORDS:
        yield Claim("said", subject, "no" if negations else "yes", clause)


def value_claim(clause: str) -> Claim | None:
    """What `X is Y` says; None for other clauses, and for lists."""
    clause = clause.strip(" 。.")
    match = (_IS_ZH if language_of(clause) == "zh" else _IS_EN).match(clause)
    if not match or _NEGATIONS.search(f" {clause}"):
        return None
    subject, value = subject_of(match["x"]), value_of(match["y"])
    return Claim("value", subject, value, clause) if subject and value else None


def value_of(text: str) -> str:
    """A short value in one form; empty for a list or a sentence."""
    text = re.sub(
        r"^(?:一[种个类]|a |an |the )|(?<=[\w）][a-z\u4e00-\u9fff])\s?[（(][^）)]*[）)]$|[。.]$",
        "",
        normalise(plain(compatible(text))).strip(),
    ).strip()
    return "" if length(text) > _LONGEST or re.search(r"[、,，；;\n]|以及|和|或|\b(?:and|or)\b", text) else text


def number_of(text: str) -> str:
    """The one number in a text as a claim gives it; empty where there is none, or several."""
    numbers = _NUMBER.findall(text)
    value = _worth(numbers[0]) if len(numbers) == 1 else None
    return "" if value is None else f"{value:g}"


def _worth(number: str) -> float | None:
    return float(number) if number[0].isdigit() else chinese_value(number)
