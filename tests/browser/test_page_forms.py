"""The page on phones, in the dark, by keyboard alone, in two languages, with a key, and for screen readers."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from acting import ACID, AXE, DEADLOCK, PHONE, UNKNOWN, ask, fits, ready, serious
from page_server import serve
from playwright.sync_api import Page, Route, expect

from core.settings import Settings
from server.access import Limits, Role
from server.keys import KeyStore

pytestmark = pytest.mark.alone

Open = Callable[..., Page]


def test_nothing_is_wider_than_a_phone(open_page: Open, site: str) -> None:
    page = open_page(site, **PHONE)
    ready(page)
    assert fits(page)
    ask(page, "进程和线程有什么区别？")
    turn = ask(page, DEADLOCK)
    assert fits(page)
    turn.locator(".marker").tap()
    expect(page.locator("#panel mark.quote").first).to_be_visible()
    assert fits(page)
    page.locator("#panel .close").tap()
    page.locator("#options summary").tap()
    page.locator("#scope summary").tap()
    assert fits(page)
    ask(page, UNKNOWN)
    ask(page, "x" * 300)
    assert fits(page)


def test_everything_is_reached_by_keyboard(open_page: Open, site: str) -> None:
    page = open_page(site)
    ready(page)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type("什么是")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("死锁？")
    expect(page.locator("#question")).to_have_value("什么是\n死锁？")
    page.keyboard.press("Enter")
    marker = page.locator(".turn.done .marker").first
    expect(marker).to_be_visible()
    for _ in range(20):
        page.keyboard.press("Shift+Tab")
        if marker.evaluate("(marker) => marker === document.activeElement"):
            break
    expect(marker).to_be_focused()
    assert marker.evaluate("(marker) => getComputedStyle(marker).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(marker).to_be_focused()


def test_enter_of_an_input_method_does_not_send(open_page: Open, site: str) -> None:
    page = open_page(site)
    ready(page)
    page.fill("#question", "sisuo")
    page.locator("#question").dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    expect(page.locator(".turn")).to_have_count(0)
    page.locator("#question").dispatch_event("keydown", {"key": "Enter", "bubbles": True})
    expect(page.locator(".turn")).to_have_count(1)


def brightness(page: Page) -> float:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


def test_light_and_dark_follow_the_system_until_the_button_is_pressed(open_page: Open, site: str) -> None:
    dark = open_page(site, color_scheme="dark")
    light = open_page(site, color_scheme="light")
    assert brightness(dark) < 60 and brightness(light) > 200
    light.locator("#theme").click()
    assert brightness(light) < 60
    light.reload()
    ready(light)
    assert brightness(light) < 60
    light.locator("#theme").click()
    assert brightness(light) > 200


def test_the_language_is_that_of_the_browser_until_the_button_is_pressed(open_page: Open, site: str) -> None:
    page = open_page(site, locale="de-DE")
    expect(page.locator("#send")).to_have_text("Ask")
    ask(page, DEADLOCK)
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    page.locator("#language").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh")
    expect(page.get_by_role("button", name="重试")).to_be_visible()
    expect(page.locator(".turn .marker").first).to_be_visible()
    page.reload()
    expect(page.locator("#send")).to_have_text("发送")


@pytest.fixture(scope="module")
def guarded(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address and key of a site that asks for one."""
    data = tmp_path_factory.mktemp("guarded") / "data"
    shutil.copytree(shelf, data)
    settings = Settings(data_dir=data)
    key, _ = KeyStore(settings.state_dir).create("学生", Role.ask, None, None, Limits())
    with serve(data) as url:
        yield url, key


def test_a_key_is_asked_for_and_kept_in_the_tab_alone(open_page: Open, guarded: tuple[str, str]) -> None:
    url, key = guarded
    page = open_page(url)
    dialog = page.locator("#key-dialog")
    expect(dialog).to_be_visible()
    page.get_by_label("API 密钥").fill("keben_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_label("API 密钥")).to_have_value("")
    expect(dialog).to_be_visible()
    page.get_by_label("API 密钥").fill(key)
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    turn = ask(page, DEADLOCK)
    turn.locator(".marker").click()
    expect(page.locator("#panel mark.quote").first).to_be_visible()
    page.reload()
    expect(page.locator(".turn .marker")).to_be_visible()
    expect(dialog).to_be_hidden()
    assert key not in json.dumps(page.evaluate("({...localStorage})")) and key not in page.content()
    other = page.context.new_page()
    other.goto(url)
    expect(other.locator("#key-dialog")).to_be_visible()


def test_feedback_is_kept_with_its_comment_and_the_right_answer(open_page: Open, shelf: Path, tmp_path: Path) -> None:
    shutil.copytree(shelf, tmp_path / "data")
    with serve(tmp_path / "data") as url:
        page = open_page(url)
        turn = ask(page, DEADLOCK)
        turn.get_by_role("button", name="没有帮助").click()
        turn.get_by_label("意见").fill("少了例子")
        turn.get_by_label("正确的回答").fill("死锁需要四个条件。")
        turn.get_by_role("button", name="提交反馈").click()
        expect(turn).to_contain_text("谢谢")
        turn = ask(page, UNKNOWN)
        turn.get_by_role("button", name="有帮助", exact=True).click()
        expect(turn).to_contain_text("谢谢")
        kept = httpx.get(f"{url}/kbs/default/feedback").json()["feedback"]
        said = {(one["thumb"], one["comment"], one["corrected_answer"]) for one in kept}
        assert said == {("down", "少了例子", "死锁需要四个条件。"), ("up", "", "")}
        page.reload()
        expect(page.locator(".feedback").first).to_contain_text("谢谢")
        expect(page.locator(".thumb")).to_have_count(0)


def test_without_a_name_of_the_answer_there_is_no_feedback(open_page: Open, site: str) -> None:
    page = open_page(site)

    def nameless(route: Route) -> None:
        response = route.fetch()
        body = re.sub(r'(event: done\s+data: \{)"id":"[^"]*",', r"\1", response.text())
        route.fulfill(response=response, body=body)

    page.route("**/ask", nameless)
    turn = ask(page, DEADLOCK)
    expect(turn.get_by_role("button", name="复制")).to_be_visible()
    expect(turn.locator(".thumb")).to_have_count(0)


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not there; .ci/run fetches it with npm")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"viewport": {"width": 1280, "height": 800}}, PHONE])
def test_axe_finds_nothing_serious(open_page: Open, site: str, scheme: str, size: dict[str, object]) -> None:
    page = open_page(site, color_scheme=scheme, **size)
    ready(page)
    expect(page.locator(".example").first).to_be_visible()
    assert serious(page) == []
    page.locator("#options summary").click()
    page.locator("#scope summary").click()
    assert serious(page) == []
    page.locator("#options summary").click()
    page.locator("#scope summary").click()
    ask(page, UNKNOWN)
    turn = ask(page, ACID)
    turn.locator(".marker").first.click()
    expect(page.locator("#panel mark.quote").first).to_be_visible()
    assert serious(page) == []


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not there; .ci/run fetches it with npm")
def test_axe_finds_nothing_serious_where_a_key_is_asked_for(open_page: Open, guarded: tuple[str, str]) -> None:
    page = open_page(guarded[0])
    expect(page.locator("#key-dialog")).to_be_visible()
    assert serious(page) == []
