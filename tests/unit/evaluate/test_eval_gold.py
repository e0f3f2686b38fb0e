"""What counts as found."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.gold import Unit, first_ranks, is_relevant, same_words
from evaluate.queries import DocGold, PidGold, SpanGold, TextGold

ANSWER = "死锁是指两个或两个以上的进程互相等待对方占有的资源，若无外力作用，它们都无法再向前推进。"
OTHER = "时间片轮转算法让就绪队列中的每个进程轮流运行一个时间片。时间片过大则退化为先来先服务。"
ENGLISH = "TCP opens a connection with a three-way handshake. The client sends a SYN, the server answers with SYN-ACK."
ENGLISH_OTHER = (
    "A TCP sender keeps a congestion window. Slow start doubles the window every round trip until a loss is met."
)


def unit(start: int = 100, end: int = 200, *, source: str = "zh/os.v2.md", text: str = "", id_: str = "c1") -> Unit:
    return Unit(id_, source, start, end, text)


@pytest.mark.parametrize("pid", ["c1", "zh/os.v2.md", "os.v2.md", "os.v2"])
def test_a_pid_is_a_chunk_id_or_a_name_of_the_file(pid: str) -> None:
    assert is_relevant(PidGold(pid), unit())


@pytest.mark.parametrize("pid", ["c2", "os", "en/os.v2.md", "OS.V2.MD", "zh", ""])
def test_a_pid_that_only_resembles_is_no_match(pid: str) -> None:
    assert not is_relevant(PidGold(pid), unit())


def test_names_are_compared_in_one_unicode_form() -> None:
    name = "Schrödinger.md"
    assert is_relevant(DocGold(unicodedata.normalize("NFD", name)), unit(source=name))
    assert is_relevant(DocGold(name), unit(source=unicodedata.normalize("NFD", name)))


@pytest.mark.parametrize(
    ("span", "overlaps"),
    [((100, 200), True), ((199, 300), True), ((0, 101), True), ((120, 130), True), ((0, 900), True),
     ((200, 300), False), ((0, 100), False)],
)  # fmt: skip
def test_spans_are_half_open(span: tuple[int, int], overlaps: bool) -> None:
    assert is_relevant(SpanGold("os.v2.md", *span), unit()) is overlaps


def test_a_span_of_another_file_is_no_match() -> None:
    assert not is_relevant(SpanGold("networks.md", 100, 200), unit())
    assert not is_relevant(DocGold("networks.md"), unit())


@pytest.mark.parametrize(
    "passage",
    [
        f"前文。{ANSWER}后文。",
        ANSWER[:30],  # a part of the gold
        OTHER + ANSWER[:36],  # cut in the middle of the gold
        "**死锁**是指两个或两个以上的 进程\n互相等待对方占有的资源, 若无外力作用, 它们都无法再向前推进",
        "死鎖是指兩個或兩個以上的進程互相等待對方占有的資源，若無外力作用，它們都無法再向前推進。",
        ANSWER.replace("用", "⽤"),  # a Kangxi radical, as many PDFs have it
    ],
)
def test_the_same_words_are_found_again_however_they_are_cut_or_written(passage: str) -> None:
    assert is_relevant(TextGold(ANSWER), unit(text=passage))


@pytest.mark.parametrize("passage", [OTHER, ANSWER[:8], "死锁", "。，！", ""])
def test_other_words_and_scraps_are_not_the_gold(passage: str) -> None:
    assert not same_words(ANSWER, passage)


def test_english_texts_on_one_subject_are_not_the_same_words() -> None:
    assert same_words(ENGLISH, ENGLISH.upper().replace(" ", "  "))
    assert not same_words(ENGLISH, ENGLISH_OTHER)


def test_a_short_gold_must_be_contained() -> None:
    assert same_words("踢爆", "将水泡击破为一踢爆。")
    assert not same_words("踢爆", "将水泡击破。")
    assert not same_words("？！", "？！")  # nothing to compare


def test_each_item_has_the_rank_of_its_first_relevant_passage() -> None:
    ranking = [unit(0, 10), unit(10, 20), unit(15, 30, source="networks.md"), unit(18, 40)]
    golds = [SpanGold("os.v2.md", 15, 19), DocGold("networks.md"), DocGold("physics.md"), SpanGold("os.v2.md", 0, 1)]
    assert first_ranks(golds, ranking) == (2, 3, None, 1)
    assert first_ranks(golds, []) == (None, None, None, None)


@settings(deadline=None)
@given(st.text("甲乙丙丁戊abcXYZ019", min_size=1), st.text("甲乙abc019 ，。\n"), st.text("甲乙abc019 ，。\n"))
def test_a_passage_that_holds_the_gold_is_always_found(gold: str, left: str, right: str) -> None:
    assert same_words(gold, left + gold + right)
