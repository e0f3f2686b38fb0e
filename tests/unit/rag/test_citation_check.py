"""Sentences against their passages: which markers stay, which are added, what is flagged or left out."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_books import passage_of

from rag.citation_check import Checked, CheckedStream, Mode, check
from rag.markers import MarkerReader, Run, without_markers
from rag.support import Evidence, evidence_of
from vector_db.embedder import bundled_embedder
from vector_db.glossary import Glossary

DEADLOCK = (
    "死锁的必要条件\n\n产生死锁必须同时满足以下四个条件：\n\n1. 互斥条件：一个资源每次只能被一个进程使用。\n"
    "2. 请求与保持条件：进程因请求资源而阻塞时，对已获得的资源保持不放。\n\n"
    "作业的平均周转时间为\n\n$$\nT = \\frac{1}{n} \\sum_{i=1}^{n} (C_i - A_i)\n$$\n\n时间片通常为 20 毫秒。"
)
TRANSACTION = (
    "A transaction is a sequence of reads and writes that the database executes as one unit of work. It ends with a "
    "commit, which makes its effects permanent, or with an abort, which undoes them. Quicksort takes $O(n \\log n)$ "
    "comparisons on average."
)
BANKER = "银行家算法在分配资源之前检查系统是否仍处于安全状态，用来避免死锁。"
EVIDENCE = Evidence([DEADLOCK, TRANSACTION, BANKER], "5 个进程怎样避免死锁？", bundled_embedder().encode)
MUTEX = "互斥条件是指一个资源每次只能被一个进程使用"
AVOID = "银行家算法检查系统是否处于安全状态，避免死锁"
ALIEN = "地球绕太阳公转，月球绕地球公转"
COMMIT = "A transaction ends with a commit or with an abort, which undoes its effects."


def flagged(text: str) -> Checked:
    return check(text, EVIDENCE)


def dropped(text: str) -> Checked:
    return check(text, EVIDENCE, "drop")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f"{MUTEX}[1]。", f"{MUTEX}[1]。"),
        (f"{MUTEX}。【1】", f"{MUTEX}。[1]"),
        (f"{MUTEX}[2]。", f"{MUTEX}。[1]"),
        (f"{MUTEX}[1, 2]。", f"{MUTEX}[1]。"),
        (f"{MUTEX}。", f"{MUTEX}。[1]"),
        (f"{MUTEX}[1]。[1]", f"{MUTEX}。[1]"),
        (f"{MUTEX}。[1]{AVOID}。[1]", f"{MUTEX}。[1]{AVOID}。[3]"),
        (f"{COMMIT} [2] {COMMIT}[1]", f"{COMMIT} [2] {COMMIT}[2]"),
        (f"**{MUTEX}。**", f"**{MUTEX}。**[1]"),
        (f"- {MUTEX}\n- {AVOID}", f"- {MUTEX}[1]\n- {AVOID}[3]"),
        (f"{MUTEX}。\n\n[1]\n\n{AVOID}。", f"{MUTEX}。\n\n[1]\n\n{AVOID}。[3]"),
        (f"[1] {MUTEX}。", f"[1] {MUTEX}。"),
        (f"[2] {MUTEX}。", f"{MUTEX}。[1]"),
    ],
)
def test_wrong_markers_go_right_ones_stay_and_missing_ones_come(written: str, expected: str) -> None:
    assert flagged(written).text == expected == dropped(written).text


def test_a_sentence_may_rest_on_a_passage_in_the_other_language() -> None:
    chinese = "事务是数据库作为一个工作单位执行的一系列读写操作。[2]"
    english = "The banker's algorithm checks that the system is in a safe state before it allocates resources.[3]"
    assert flagged(chinese).text == chinese
    assert flagged(english).text == english


def test_the_glossary_leads_into_the_other_language() -> None:
    sentence = "柯本法检查幂等。"
    alone = Evidence(["Keben checks idempotence."], "", bundled_embedder().encode)
    glossary = Glossary([("柯本法", "Keben"), ("幂等", "idempotence")])
    taught = Evidence(["Keben checks idempotence."], "", bundled_embedder().encode, glossary)
    plain, better = alone.scores(sentence), taught.scores(sentence)
    assert plain is not None and better is not None
    assert better.total[0] > plain.total[0]


def test_what_no_passage_says_is_flagged_or_left_out() -> None:
    text = f"{MUTEX}。[1]{ALIEN}。[2]{AVOID}。[3]"
    checked = flagged(text)
    assert checked.text == f"{MUTEX}。[1]{ALIEN}。{AVOID}。[3]"
    assert [one.supported for one in checked.statements] == [True, False, True]
    assert checked.statements[1].reason == "no-passage"
    assert dropped(text).text == f"{MUTEX}。[1]{AVOID}。[3]"
    assert dropped(text).dropped == (f"{ALIEN}。",)


@pytest.mark.parametrize(
    ("sentence", "reason", "values"),
    [
        ("时间片通常为 30 毫秒。[1]", "number", ("30",)),
        ("时间片通常为三十毫秒。", "number", ("三十",)),
        ("Quicksort takes $O(n^2)$ comparisons on average.[2]", "formula", ("$O(n^2)$",)),
        ("Quicksort takes O(n^2) comparisons on average.", "formula", ("O(n^2)",)),
        ("$$\nT = \\sum_{i=1}^{n} (C_i + A_i)\n$$", "formula", ("$$\nT = \\sum_{i=1}^{n} (C_i + A_i)\n$$",)),
    ],
)
def test_numbers_and_formulas_must_stand_in_the_passage(sentence: str, reason: str, values: tuple[str, ...]) -> None:
    (statement,) = flagged(sentence).statements
    assert (statement.supported, statement.reason, statement.values) == (False, reason, values)
    assert "[" not in flagged(sentence).text
    assert dropped(sentence).text == ""


@pytest.mark.parametrize(
    "sentence",
    [
        "时间片通常为２０毫秒。",
        "时间片通常为二十毫秒。",
        "1. 时间片通常为 20 毫秒。",
        "第3点，时间片通常为 20 毫秒。",
        "5 个进程的时间片通常为 20 毫秒。",
        "Quicksort takes $\\mathrm{O}\\left(n\\log{n}\\right)$ comparisons on average.",
        "Quicksort takes O(n log n) comparisons on average.",
        "$$\nT=\\dfrac{1}{n}\\sum\\limits_{i=1}^{n}\\left(C_i-A_i\\right)\n$$",
    ],
)
def test_other_ways_to_write_a_number_or_a_formula_are_the_same(sentence: str) -> None:
    assert [one.reason for one in flagged(sentence).statements] == [None]
    assert re.search(r"\[[12]\]|\$\$$", flagged(sentence).text)


@pytest.mark.parametrize(
    "talk",
    ["# 太阳系", "总结如下：", "Here is why:", "希望对你有帮助！", "还有什么问题吗？", "你好！", "---", "**答**："],
)
def test_talk_is_neither_flagged_nor_left_out(talk: str) -> None:
    text = f"{talk}\n\n{MUTEX}。"
    assert dropped(text).text == flagged(text).text == f"{text}[1]"
    assert [one.claims for one in flagged(text).statements] == [False, True]


@pytest.mark.parametrize(
    "text", ["", "  \n", f"# 太阳系\n\n{ALIEN}。[1]", "不知道", "[1]", f"| a | b |\n|---|---|\n| {ALIEN} | x |"]
)
def test_nothing_supported_is_no_answer(text: str) -> None:
    assert dropped(text).text == ""
    assert dropped(text).statements == ()


def test_a_sentence_that_two_passages_support_together_keeps_both() -> None:
    text = "一个资源每次只能被一个进程使用，而银行家算法在分配资源之前检查系统是否仍处于安全状态[1][3]。"
    assert flagged(text).text == text


def test_a_table_is_checked_row_by_row_and_its_markers_stand_below() -> None:
    head = "| 名称 | 说明 |\n| --- | --- |\n"
    right, alien = "| 银行家算法 | 检查系统是否处于安全状态 |", "| 月球 | 绕地球公转 |"
    checked = flagged(f"{head}{right}\n{alien}\n\n{MUTEX}。")
    assert checked.text == f"{head}{right}\n{alien}\n\n[3]\n\n{MUTEX}。[1]"
    assert [one.supported for one in checked.statements] == [True, False, True]
    assert dropped(f"{head}{alien}\n{right}\n\n[1][3]").text == f"{head}{right}\n\n[3]"
    assert flagged(f"{head}| 银行家算法[2] | 检查系统是否处于安全状态[3] |").text.endswith(
        "| 检查系统是否处于安全状态[3] |"
    )


def test_code_keeps_its_indexes_and_has_its_marker_below() -> None:
    code = "```python\ntransaction = reads[1] + writes[2]\ntransaction.commit()\n```"
    assert flagged(f"{code}\n\n[2]").text == f"{code}\n\n[2]"
    alien = "```python\ndef area(radius):\n    return pi * radius\n```"
    assert flagged(alien).text == alien
    assert flagged(f"`a[1]`：{MUTEX}。").text == f"`a[1]`：{MUTEX}。[1]"


def test_a_bullet_stays_where_the_first_of_its_sentences_goes() -> None:
    assert dropped(f"- {ALIEN}。{MUTEX}。\n- {ALIEN}。\n- {AVOID}。").text == f"- {MUTEX}。[1]\n- {AVOID}。[3]"


def test_paragraphs_stay_apart_where_one_between_them_goes() -> None:
    assert dropped(f"{MUTEX}。\n\n{ALIEN}。\n\n{AVOID}。").text == f"{MUTEX}。[1]\n\n{AVOID}。[3]"


def test_abbreviations_and_decimals_end_no_sentence() -> None:
    checked = flagged("A transaction, e.g. a sequence of 3.5 reads, is one unit of work. It ends with a commit.")
    assert len(checked.statements) == 2
    assert checked.statements[0].values == ("3.5",)


def test_headings_are_shown_with_the_first_sentence_that_stays() -> None:
    stream = CheckedStream(EVIDENCE, "drop")
    assert stream.feed(f"# 答案\n\n{ALIEN}。结论如下：\n\n") == ""
    assert stream.feed(f"{MUTEX}。") == ""
    assert stream.feed("又") == f"# 答案\n\n结论如下：\n\n{MUTEX}。[1]"


def test_passages_are_read_with_their_headings() -> None:
    passage = passage_of(("heading", "死锁"), ("paragraph", "若干进程互相等待资源。"), title="操作系统")
    evidence = evidence_of([passage], "", bundled_embedder().encode)
    assert check("死锁是若干进程互相等待资源。", evidence).text.endswith("[1]")


def test_without_passages_nothing_is_supported() -> None:
    nothing = Evidence([], "", bundled_embedder().encode)
    assert check(f"{MUTEX}[1]。", nothing).text == f"{MUTEX}。"
    assert check(f"{MUTEX}[1]。", nothing, "drop").text == ""


PARTS = [
    *(f"{MUTEX}。", f"{AVOID}。", f"{ALIEN}。", f" {COMMIT}", " The moon is 384400 km away.", "时间片为 20 毫秒。"),
    *(
        "时间片为 30 毫秒。",
        "结论如下：",
        "为什么？",
        "\n# 标题\n",
        "\n",
        "\n\n",
        "\n- ",
        "\n1. ",
        "\n2. ",
        "\n> ",
        " ",
    ),
    *("[1]", "[2]", "[3]", "[9]", "[1, 3]", "【2】", " [1]", "[1][2]", "**", "，", "e.g. ", "3.5"),
    *("\n\n```\na[1] = 2\n```\n\n", "\n\n$$\nx[1] = 2\n$$\n\n", "$O(n \\log n)$", "`a[1]`", "\n\n[1]\n\n"),
    *("\n\n| 名称 | 说明 |\n|---|---|\n| 银行家算法 | 避免死锁 |\n| 月球 | 地球[2] |\n\n", "reads and\nwrites"),
]
# What closes nothing, and begins nothing at the beginning of a line.
ODD = [*PARTS, "$", "`", "```", "$$", "\\[", "[", "| 月球 |", "# ", "\n| --- |", "\n> ```\n", "\\(", "~~~\n", "]", "1"]
ODD_TEXTS = st.lists(st.sampled_from(ODD), max_size=12).map("".join)
TEXTS = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)
SLOW = settings(deadline=None)
MODES: st.SearchStrategy[Mode] = st.sampled_from(["flag", "drop"])


def words_of(text: str) -> str:
    """Text without markers; where they stood alone on a line, the blank lines around them are one."""
    return re.sub(r"\s*\n\s*", "\n", without_markers(text)).strip()


@SLOW
@given(ODD_TEXTS, MODES, st.lists(st.integers(0, 400), max_size=8))
def test_how_the_text_is_cut_makes_no_difference(text: str, mode: Mode, cuts: list[int]) -> None:
    stream = CheckedStream(EVIDENCE, mode)
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    pieces = [stream.feed(text[a:b]) for a, b in pairwise(places)]
    assert "".join([*pieces, stream.finish()]) == check(text, EVIDENCE, mode).text == stream.checked.text
    assert stream.checked == check(text, EVIDENCE, mode)


@SLOW
@given(TEXTS)
def test_flagging_changes_nothing_but_markers(text: str) -> None:
    assert words_of(flagged(text).text) == words_of(text)


@SLOW
@given(TEXTS, MODES)
def test_every_marker_names_a_passage_that_supports_its_sentence(text: str, mode: Mode) -> None:
    checked = check(text, EVIDENCE, mode)
    right = {number for one in checked.statements for number in one.passages}
    for one in checked.statements:
        part = checked.text[one.start : one.end]
        assert part.strip() == part != ""
        tables = "|" in part
        assert tables or _markers(part) <= set(one.passages)
    assert _markers(checked.text) <= right


@SLOW
@given(TEXTS, MODES)
def test_statements_are_in_order_and_hold_all_that_is_said(text: str, mode: Mode) -> None:
    checked = check(text, EVIDENCE, mode)
    assert all(one.end <= other.start for one, other in pairwise(checked.statements))
    assert all(one.supported or mode == "flag" for one in checked.statements)
    assert not (mode == "drop" and checked.text and not any(one.claims for one in checked.statements))


@SLOW
@given(TEXTS, MODES)
def test_a_checked_answer_stays_as_it_is(text: str, mode: Mode) -> None:
    once = check(text, EVIDENCE, mode)
    assert check(once.text, EVIDENCE, mode).text == once.text


def _markers(text: str) -> set[int]:
    reader = MarkerReader(EVIDENCE.count)
    runs = [token for token in (*reader.feed(text), *reader.finish()) if isinstance(token, Run)]
    return {number for run in runs for number in run.numbers}
