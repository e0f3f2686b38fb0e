"""Asking at the page: answers, conversations, refusals, and what goes wrong."""

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acting import ACID, DEADLOCK, UNKNOWN, as_events, ask, made_answer, ready
from fakes import write_tiny_model
from page_server import serve
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.alone

Open = Callable[..., Page]


def test_a_chinese_question_is_answered_beside_the_book(open_page: Open, site: str) -> None:
    page = open_page(site)
    turn = ask(page, DEADLOCK)
    for condition in ("互斥条件", "请求和保持条件", "不可剥夺条件", "循环等待条件"):
        expect(turn.locator(".answer")).to_contain_text(condition)
    expect(turn.locator(".answer ol li")).to_have_count(4)
    expect(turn.locator(".source")).to_contain_text("5.2 死锁的必要条件 · 第 25 页")
    expect(page.locator("#panel mark.quote").first).to_be_visible()
    expect(page.locator("#panel")).to_contain_text("死锁的四个必要条件并不是充分条件")


def test_an_english_question_is_answered_in_an_english_page(open_page: Open, site: str) -> None:
    page = open_page(site, locale="en-GB")
    expect(page.locator("#send")).to_have_text("Ask")
    turn = ask(page, ACID)
    expect(turn.locator(".answer")).to_contain_text("Atomicity")
    turn.get_by_text("Details").click()
    expect(turn.locator(".details")).to_contain_text("sentences of the books")
    expect(turn.locator(".details")).to_contain_text(re.compile(r"\d{8}T\d+Z-"))


def test_an_example_is_a_question(open_page: Open, site: str) -> None:
    page = open_page(site)
    example = page.locator(".example").first
    text = example.inner_text()
    example.click()
    expect(page.locator(".turn.done .asked")).to_contain_text(text)
    expect(page.locator("#welcome")).to_be_hidden()
    expect(page.locator(".turn .marker").first).to_be_visible()


def test_a_follow_up_is_understood_from_the_conversation(open_page: Open, site: str) -> None:
    page = open_page(site)
    ask(page, "什么是死锁？")
    turn = ask(page, "那它的必要条件呢？")
    expect(turn.locator(".understood")).to_have_text(re.compile("理解为：.*死锁.*必要条件"))


def test_a_question_is_asked_again_and_taken_back(open_page: Open, site: str) -> None:
    page = open_page(site)
    ask(page, "什么是死锁？")
    turn = ask(page, DEADLOCK)
    with page.expect_request("**/ask") as asked:
        turn.get_by_role("button", name="重试").click()
    body = asked.value.post_data_json
    assert body["question"] == DEADLOCK
    assert [message["content"] for message in body["history"]][::2] == ["什么是死锁？"]
    expect(page.locator(".turn")).to_have_count(2)
    expect(page.locator(".turn.done")).to_have_count(2)
    page.get_by_role("button", name="撤回").click()
    expect(page.locator(".turn")).to_have_count(1)
    expect(page.locator("#question")).to_have_value(DEADLOCK)
    page.get_by_role("button", name="清空").click()
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.locator("#welcome")).to_be_visible()


def test_an_answer_is_copied_with_its_sources(open_page: Open, site: str) -> None:
    page = open_page(site, permissions=["clipboard-read", "clipboard-write"])
    turn = ask(page, DEADLOCK)
    turn.get_by_role("button", name="复制").click()
    expect(turn.get_by_role("button", name="已复制")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "循环等待条件" in copied and copied.endswith("[1] 操作系统 · 5.2 死锁的必要条件 · 第 25 页")


def test_a_refusal_is_told_apart_and_offers_the_nearest_sections(open_page: Open, site: str) -> None:
    page = open_page(site)
    turn = ask(page, UNKNOWN)
    expect(turn).to_have_class("turn done refused")
    expect(turn.locator(".note")).to_contain_text("课本没有回答这个问题")
    expect(turn.locator(".marker")).to_have_count(0)
    turn.locator(".source").first.click()
    expect(page.locator("#panel mark.quote").first).to_be_visible()


def test_a_reload_keeps_the_conversation_and_tabs_do_not_share_one(open_page: Open, site: str) -> None:
    page = open_page(site)
    ask(page, DEADLOCK)
    other = page.context.new_page()
    other.goto(site)
    expect(other.locator("#welcome")).to_be_visible()
    ask(other, ACID)
    stranger = open_page(site)
    expect(stranger.locator(".turn")).to_have_count(0)
    page.reload()
    expect(page.locator(".turn .asked")).to_have_text([re.compile(re.escape(DEADLOCK))])
    page.locator(".turn .marker").click()
    expect(page.locator("#panel mark.quote").first).to_be_visible()
    turn = ask(page, "那它的定义呢？")
    expect(turn.locator(".understood")).to_contain_text("死锁")
    expect(other.locator(".turn")).to_have_count(1)


def test_what_is_chosen_is_asked_for(open_page: Open, site: str) -> None:
    page = open_page(site)
    page.locator("#scope summary").click()
    page.get_by_label("Database Systems").check()
    page.locator("#options summary").click()
    page.get_by_label("由谁作答").select_option("extractive")
    page.get_by_label("方式").select_option("tutor")
    page.get_by_label("检索段落数").fill("3")
    page.get_by_label("温度").fill("0.5")
    page.get_by_label("Top-k").fill("40")
    page.get_by_label("最长词元数").fill("200")
    with page.expect_request("**/ask") as asked:
        ask(page, DEADLOCK)
    body = asked.value.post_data_json
    assert body["options"] == {"temperature": 0.5, "top_k": 40, "max_new_tokens": 200}
    assert (body["writer"], body["mode"], body["top_k"], body["kb"]) == ("extractive", "tutor", 3, "default")
    assert body.get("books", body.get("subjects"))
    page.reload()
    page.locator("#options summary").click()
    expect(page.get_by_label("检索段落数")).to_have_value("3")


def test_a_server_that_is_gone_is_told_and_asked_again_when_it_is_back(open_page: Open, shelf: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serve(shelf, port) as url:
        page = open_page(url)
        ask(page, "什么是死锁？")
    turn = ask(page, DEADLOCK)
    expect(turn.locator(".failure")).to_contain_text("无法连接服务")
    with serve(shelf, port):
        turn.get_by_role("button", name="重试").click()
        expect(page.locator(".turn.done")).to_have_count(2)


def test_an_error_of_the_service_is_told_with_its_mend(open_page: Open, site: str) -> None:
    page = open_page(site)
    ready(page)
    page.evaluate("document.querySelector('#kb option').value = 'gone'")
    turn = ask(page, DEADLOCK)
    expect(turn.locator(".failure")).to_contain_text("there is no knowledge base 'gone'")
    expect(turn.locator(".failure")).to_contain_text("default")


def test_what_no_passage_supports_is_marked_and_what_went_wrong_is_told(open_page: Open, site: str) -> None:
    page = open_page(site)
    ready(page)
    doubtful = "它在 **1971** 年提出。"
    text = f"死锁是互相等待。[1] {doubtful}"
    unsupported = {"text": doubtful, "start": 10, "end": len(text), "reason": "number", "values": ["1971"]}
    dropped = {"text": "另有五个条件。", "start": None, "end": None, "reason": "dropped", "values": []}
    answer = made_answer(text, unsupported=[unsupported, dropped], fallback="the model has died", cached=True)
    answer |= {"usage": {"input_tokens": 7, "output_tokens": 9}, "trimmed": {"history": 2, "passages": 0, "cut": False}}
    events = (("token", {"text": "半句"}), ("restart", {"reason": "gone"}), ("token", {"text": text}), ("done", answer))
    page.route("**/ask", lambda route: route.fulfill(content_type="text/event-stream", body=as_events(*events)))
    turn = ask(page, "什么是死锁？")
    expect(turn.locator(".answer")).not_to_contain_text("半句")
    assert "".join(turn.locator("mark.unsupported").all_inner_texts()) == "它在 1971 年提出。"
    expect(turn.locator(".doubt")).to_contain_text(["1971", "另有五个条件"])
    expect(turn).to_contain_text("模型未能作答，改用课本原句：the model has died")
    turn.get_by_text("详情").click()
    for told in ("tiny", "读 7 词元，写 9 词元", "2 条较早的对话", "来自缓存"):
        expect(turn.locator(".details")).to_contain_text(told)


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory, shelf: Path) -> Iterator[str]:
    """A site whose model goes on and on."""
    folder = tmp_path_factory.mktemp("models") / "endless"
    write_tiny_model(folder, endless=True, positions=20_000)
    with serve(
        shelf, KEBEN_LLM__MODEL=str(folder), KEBEN_LLM__MAX_NEW_TOKENS="8192", KEBEN_LLM__MAX_RUNNING="1"
    ) as url:
        yield url


def test_an_answer_comes_bit_by_bit_and_is_stopped_in_the_middle(open_page: Open, endless: str) -> None:
    page = open_page(endless)
    ready(page)
    for stop in (lambda: page.get_by_role("button", name="停止").click(), lambda: page.keyboard.press("Escape")):
        # The one place that the model may write at is free again: the second question is answered too.
        begin(page)
        turn = page.locator(".turn").last
        answer = turn.locator(".answer")
        expect(answer).not_to_have_text(answer.inner_text())
        expect(answer).to_have_attribute("aria-busy", "true")
        stop()
        expect(turn.locator(".note")).to_have_text("已停止")
        expect(page.locator("#send")).to_be_visible()
        # What had come by then is shown.
        page.wait_for_timeout(1000)
        length = answer.inner_text()
        page.wait_for_timeout(300)
        assert answer.inner_text() == length


def begin(page: Page) -> None:
    """Ask a question whose answer does not end."""
    page.fill("#question", "什么是死锁？")
    page.keyboard.press("Enter")
    expect(page.locator(".turn").last.locator(".answer")).to_contain_text("死锁是指进程互相等待")


def test_in_the_middle_of_an_answer_the_page_is_cleared_reloaded_and_translated(open_page: Open, endless: str) -> None:
    page = open_page(endless)
    ready(page)
    begin(page)
    page.locator("#language").click()
    answer = page.locator(".turn .answer")
    expect(answer).to_contain_text("死锁是指进程互相等待")
    expect(answer).not_to_have_text(answer.inner_text())
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.locator("#send")).to_be_visible()
    begin(page)
    page.reload()
    expect(page.locator(".turn.stopped .answer")).to_contain_text("死锁是指进程互相等待")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".turn.writing .answer")).to_contain_text("死锁是指进程互相等待")
    page.keyboard.press("Escape")
    expect(page.locator(".turn.stopped")).to_have_count(1)


def test_sentences_of_the_books_answer_beside_a_model(open_page: Open, endless: str) -> None:
    page = open_page(endless)
    page.locator("#options summary").click()
    page.get_by_label("由谁作答").select_option("extractive")
    turn = ask(page, DEADLOCK)
    expect(turn.locator(".details")).to_contain_text("摘自原文", use_inner_text=False)
