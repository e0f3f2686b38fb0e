import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.audit.languages import is_traditional, language, languages
from finetune.audit.rows import Row, rows_of
from finetune.audit.signs import signs, template_tokens
from finetune.conversations import Conversation, Exchange


def rows(*pairs: tuple[str, str], system: str = "") -> tuple[Row, ...]:
    return rows_of([Conversation((Exchange(question, answer, system),)) for question, answer in pairs], "train")


@pytest.mark.parametrize(
    "token",
    (
        "<|im_start|> <|im_end|> <|endoftext|> <s> </s> [INST] [/INST] <<SYS>> [UNUSED_TOKEN_145] <eoa> <start_of_turn>"
        " <｜end▁of▁sentence｜> <TOKENS_UNUSED_1> <|user|> [gMASK] <|eot_id|>"
    ).split(),
)
def test_template_tokens(token: str) -> None:
    (found,) = signs(rows(("问", f"答{token}案"), ("问", "答")))
    assert (found.check, found.severity, found.count) == ("template-token", "error", 1)
    assert token in found.examples[0].why
    assert [one.count for one in signs(rows(("问", "答"), system=f"{token}你是助教"))] == [1]


@pytest.mark.parametrize(
    "text", ["vector<int> s", "a < b | c > d", "<strong>粗</strong>", "[1] 见书", "x<|y|", "<sup>2</sup>"]
)
def test_what_is_no_token(text: str) -> None:
    assert template_tokens(text) == []


@given(st.text(max_size=80))
def test_signs_read_any_text(text: str) -> None:
    signs(rows(("问", text)))


def test_wrongly_decoded_text_and_look_alikes() -> None:
    found = {
        one.check: one
        for one in signs(rows(("问", "所需的工\ufffd\ufffd和知识"), ("⽤什么", "民"), ("café", "naïve Ångström")))
    }
    assert {check: one.count for check, one in found.items()} == {"broken-text": 1, "compatibility": 1}
    assert signs(rows(("é", "è".encode().decode("latin-1") * 2)))[0].check == "broken-text"
    assert signs(rows(("问", "锟斤拷")))[0].check == "broken-text"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("什么是死锁？", "zh"),
        ("What is a deadlock?", "en"),
        ("进程 process 线程 thread deadlock avoidance and prevention in systems 问", "mixed"),
        ("$x = 1$", "none"),
        ("设 \\frac{x}{y}=\\lim f(x) 求", "zh"),
        ("```python\nprint('hello world')\n```\n打印", "zh"),
    ],
)
def test_language(text: str, expected: str) -> None:
    assert language(text) == expected


def test_answers_in_another_language() -> None:
    english = "A deadlock is a state in which each process waits for a resource that another process holds."
    (found,) = languages(
        rows(("什么是死锁？", english), ("用英文解释死锁。", english), ("What is a deadlock?", english))
    )
    assert (found.check, found.count) == ("other-language", 1)
    assert languages(rows(("用“do away with”造句。", english))) == []
    assert languages(rows(("DNS 的全称？", "Domain Name System"))) == []


def test_traditional_rows_among_simplified_ones() -> None:
    assert is_traditional("工作分析是一項系統化的過程") and not is_traditional("工作分析是一项系统化的过程")
    mixed = rows(
        ("什么是进程？", "程序的一次执行过程"), ("什么是线程？", "调度的单位"), ("什麼是記憶體？", "儲存資料的裝置")
    )
    (found,) = languages(mixed)
    assert (found.check, found.severity, found.rows) == ("mixed-scripts", "note", ("train: train, row 3",))
    assert languages(mixed[2:]) == []
