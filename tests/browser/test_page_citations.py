"""Citations at the page: the place in the book, its page, and books that have changed since."""

import io
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from acting import ACID, DEADLOCK, ask
from page_server import serve
from PIL import Image
from playwright.sync_api import Page, Route, expect

from core.settings import Settings
from ingest.rebuild import rebuild

pytestmark = pytest.mark.alone

Open = Callable[..., Page]
BOOK = """# 物理

## 热学

### 比热容

{}比热容是单位质量的物质升高单位温度所吸收的热量。

### 热容

热容是{}。
"""


def test_a_citation_opens_the_page_of_the_book_with_its_quote(open_page: Open, site: str) -> None:
    page = open_page(site, viewport={"width": 800, "height": 900})
    turn = ask(page, DEADLOCK)
    panel = page.locator("#panel")
    expect(panel).to_be_hidden()
    turn.locator(".marker").click()
    expect(panel.locator("h2")).to_have_text("操作系统")
    expect(panel.locator(".path")).to_have_text("第5章 死锁 › 5.2 死锁的必要条件")
    expect(panel.locator(".printed")).to_have_text("第 25 页（文件第 29 页）")
    marked = "".join(panel.locator("mark.quote").all_inner_texts())
    assert marked.startswith("互斥条件") and marked.endswith("正被链中的下一个进程占有。")
    image = panel.locator("img.page-image")
    expect(image).to_be_visible()
    assert image.evaluate("(image) => image.naturalWidth") > 300
    expect(panel.locator(".note")).to_have_count(0)
    panel.get_by_role("button", name="关闭").click()
    expect(panel).to_be_hidden()
    expect(turn.locator(".marker")).to_be_focused()


@pytest.mark.parametrize("marked", ["true", "false"])
def test_the_image_of_a_page_stands_above_the_text(open_page: Open, site: str, marked: str) -> None:
    image = io.BytesIO()
    Image.new("RGB", (600, 900), "white").save(image, "PNG")
    page = open_page(site)
    asked: list[str] = []

    def drawn(route: Route) -> None:
        asked.append(route.request.url)
        headers = {"Content-Type": "image/png", "X-Quote-Highlighted": marked}
        route.fulfill(body=image.getvalue(), headers=headers)

    page.route("**/pages/*.png?*", drawn)
    citation = ask(page, DEADLOCK).locator(".marker")
    citation.click()
    shown = page.get_by_role("img", name="《操作系统》第 25 页的图像")
    expect(shown).to_be_visible()
    assert shown.evaluate("(image) => [image.naturalWidth, image.src.slice(0, 5)]") == [600, "blob:"]
    assert re.fullmatch(rf"{site}/kbs/default/books/operating-systems\.pdf/pages/29\.png\?start=\d+&end=\d+", asked[-1])
    expect(page.locator("#panel .note")).to_have_count(int(marked == "false"))
    expect(page.locator("#panel mark.quote").first).to_contain_text("互斥条件")


def test_a_book_without_pages_opens_at_its_text(open_page: Open, site: str) -> None:
    page = open_page(site, locale="en-GB")
    turn = ask(page, ACID)
    turn.locator(".marker").first.click()
    expect(page.locator("#panel .path")).to_have_text("Transactions › The ACID properties")
    expect(page.locator("#panel .printed")).to_have_count(0)
    expect(page.locator("#panel mark.quote").first).to_be_visible()


def test_a_formula_is_marked_as_a_whole(open_page: Open, site: str) -> None:
    page = open_page(site, locale="en-GB")
    turn = ask(page, "How high is a B+-tree of order m with N keys?")
    expect(turn.locator("math").first).to_be_visible()
    turn.locator(".marker").first.click()
    expect(page.locator("#panel math.quote").first).to_be_visible()


def test_a_citation_of_a_book_that_has_changed_or_gone_says_so(open_page: Open, tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    (tmp_path / "data").mkdir()
    settings = Settings(data_dir=tmp_path / "data", source_dir=tmp_path / "books")
    path = settings.source_dir / "physics.md"

    def publish() -> None:
        generation = rebuild(settings, "default").generation
        deadline = time.monotonic() + 60
        while httpx.get(f"{url}/kbs/default").json()["generation"] != generation:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    path.write_text(BOOK.format("", "物体升高单位温度所吸收的热量"), encoding="utf-8")
    rebuild(settings, "default")
    with serve(settings.data_dir, KEBEN_SERVER__POLL_SECONDS="0.1") as url:
        page = open_page(url)
        turn = ask(page, "什么是比热容？")
        notes = page.locator("#panel .note")
        marker = turn.locator(".marker").first
        # Another part of the book has changed: the citation stands where it stood.
        path.write_text(BOOK.format("", "物体的比热容与质量之积"), encoding="utf-8")
        publish()
        marker.click()
        expect(page.locator("#panel mark.quote").first).to_contain_text("单位质量的物质")
        expect(notes).to_have_count(0)
        path.write_text(BOOK.format("新的一版在前面加了一句话。", "物体的比热容与质量之积"), encoding="utf-8")
        publish()
        marker.click()
        expect(notes).to_contain_text("这本书在回答之后有了变化")
        expect(page.locator("#panel .quoted")).to_contain_text("单位质量的物质")
        path.rename(path.with_name("mechanics.md"))
        publish()
        marker.click()
        expect(notes).to_contain_text("这本书在回答之后有了变化")
