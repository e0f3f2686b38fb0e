"""Whether two claims exclude each other. Pure functions; `claims` says what they cannot see."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations, islice

from finetune.audit.asked import claims_of
from finetune.audit.choices import chosen
from finetune.audit.claims import Claim, Kind
from finetune.audit.findings import Finding, Flaw, finding
from finetune.audit.rows import Row
from rag.facts import formula_form

_OPPOSED = (
    "静态/动态 同步/异步 单向/双向 单工/双工 半双工/全双工 串行/并行 大端/小端 有序/无序 有向/无向 独占/共享"
    " 先进先出/后进先出 抢占/非抢占 内部/外部 最大/最小 最好/最坏 随机/顺序 高位/低位 线性/非线性 前序/后序 前驱/后继"
    " 升序/降序 连续/离散 收敛/发散 面向连接/无连接 奇数/偶数 正数/负数 增大/减小 增加/减少 上升/下降"
    " fifo/lifo odd/even static/dynamic synchronous/asynchronous serial/parallel directed/undirected ordered/unordered"
    " volatile/non-volatile shared/exclusive internal/external stable/unstable maximum/minimum"
    " connection-oriented/connectionless convergent/divergent continuous/discrete"
)
_PAIRS = tuple(tuple(pair.split("/")) for pair in _OPPOSED.split())
_LAYER = re.compile(
    "物理|数据链路|链路|网络|网际|传输|运输|会话|表示|应用|physical|data link|link|network|internet|transport|session"
    "|presentation|application"
)
_LAYER_NAMES = {"链路": "数据链路", "网际": "网络", "运输": "传输", "link": "data link", "internet": "network"}
_IS_LAYER = re.compile(rf"^(?:osi|tcp/ip)?\s*(?:的|模型)?\s*(?:{_LAYER.pattern})\s*(?:层|layer)(?:的?协议)?$")
_GROWTH = re.compile(r"^[oθ]\(.*\)$")
_MOST_VALUES = 100  # of one subject; what has more is no subject
_ACRONYM = re.compile(r"^[a-z]{1,2}([a-z]{3,5})$")


def excluded(one: Claim, other: Claim) -> str | None:
    """Why two claims about one subject cannot both be true; None where they can."""
    if one.kind != other.kind or one.subject != other.subject or one.value == other.value:
        return None
    if one.kind == "number":
        return f"{one.value} is not {other.value}"
    if one.kind == "said":
        return "one says that it is not so"
    return _values(one.value, other.value)


def contrasted(claim: Claim, sentence: Sequence[Claim]) -> Claim | None:
    """What a sentence says of the claim's subject, where it gives the claim's value to another subject beside it."""
    own = [one for one in sentence if one.kind == claim.kind == "value" and one.subject == claim.subject]
    others = [
        one for one in sentence
        if one.kind == "value" and one.value == claim.value
        and not (set(one.subject) <= set(claim.subject) or set(claim.subject) <= set(one.subject))
    ]  # fmt: skip
    return next((one for one in own if others and not agree(one.value, claim.value)), None)


def equal(one: str, other: str) -> bool:
    """Whether two values are one, also O(n log n) and O(nlogn)."""
    return one == other or bool(_GROWTH.match(_growth(one)) and _growth(one) == _growth(other))


def agree(one: str, other: str) -> bool:
    """Whether a value is the other, or a part of it."""
    return one in other or other in one


def contradicting_rows(rows: Sequence[Row]) -> list[Finding]:
    """Rows that say of one subject what another row excludes. Without books, which of them is right is not known."""
    said: defaultdict[tuple[Kind, tuple[str, ...]], dict[str, tuple[Row, Claim]]] = defaultdict(dict)
    for row, claim in _claims(rows):
        said[claim.kind, claim.subject].setdefault(claim.value, (row, claim))
    flaws: list[Flaw] = []
    for values in said.values():
        for (row, claim), (other, against) in combinations(islice(values.values(), _MOST_VALUES), 2):
            if row is not other and (reason := excluded(claim, against)):
                where = f"{claim.text} ≠ {against.text}"
                flaws += [
                    (row, where, f"against {other.source}: {reason}"),
                    (other, where, f"against {row.source}: {reason}"),
                ]
    todo = "correct the one that is wrong"
    return finding("contradicting-rows", "error", flaws, len(rows), "contradict another row", todo)


def _claims(rows: Iterable[Row]) -> Iterable[tuple[Row, Claim]]:
    """Those of first turns: later ones, and those under a system prompt, speak of what went before."""
    seen: set[tuple[str, str]] = set()
    for row in rows:
        first = row.turns[0]
        if (first.input, first.output) not in seen and not first.system:
            seen.add((first.input, first.output))
            question, answer, _ = chosen(first.input, first.output)
            yield from ((row, claim) for claim in claims_of(question, answer))


def _values(one: str, other: str) -> str | None:
    different = f"{one} is not {other}"
    growth = [_growth(value) for value in (one, other)]
    if all(map(_GROWTH.match, growth)):
        return different if growth[0] != growth[1] else None
    layers = [_layer(value) for value in (one, other)]
    if all(layers):
        return different if layers[0] != layers[1] else None
    if agree(one, other):
        return (
            different
            if one in {f"{no}{other}" for no in "非不无"} or other in {f"{no}{one}" for no in "非不无"}
            else None
        )
    tails = [_ACRONYM.match(value) for value in (one, other)]
    if tails[0] and tails[1] and len(one) == len(other) and tails[0][1] == tails[1][1]:
        return different
    opposite = any(
        a in x and b in y and x.replace(a, "") == y.replace(b, "")
        for a, b in _PAIRS
        for x, y in ((one, other), (other, one))
    )
    return different if opposite else None


def _growth(value: str) -> str:
    """O(n log n), whatever the base and the way to write it; Θ is what most books call O."""
    plain = re.sub(r"[$`\s]", "", value).replace("\\theta", "o").replace("θ", "o")
    return formula_form(re.sub(r"\\?(?:log|lg)_?\{?2?\}?", "log", plain))


def _layer(value: str) -> str | None:
    if not _IS_LAYER.match(value):
        return None
    name = _LAYER.findall(value)[-1] if not value.startswith("data link") else "data link"
    return _LAYER_NAMES.get(name, name)
