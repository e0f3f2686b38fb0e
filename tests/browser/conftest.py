"""A real browser at a real server.

site       session   address of `keben serve` over `shelf`
shelf      session   data_dir of the knowledge base 'default': operating-systems.pdf, databases.md
browser    module    headless Chromium; the tests are skipped without one
open_page  function  opens a page in a context of its own; what it fetched and complained of is looked at afterwards
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from page_server import serve
from playwright.sync_api import Browser, Page, sync_playwright

from core.settings import PROJECT, Settings
from ingest.rebuild import rebuild

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, books_dir: Path) -> Path:
    books, data = tmp_path_factory.mktemp("shelf"), tmp_path_factory.mktemp("shelf-data")
    shutil.copy(PROJECT / "knowledge" / "operating-systems.pdf", books)
    shutil.copy(books_dir / "databases.md", books)
    report = rebuild(Settings(data_dir=data, source_dir=books), "default")
    assert report.exit_code == 0, report
    return data


@pytest.fixture(scope="session")
def site(shelf: Path) -> Iterator[str]:
    with serve(shelf) as url:
        yield url


# Not for the session: as long as Playwright runs, no other test can start an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


class Watched:
    """What a page asked the network for, and what it complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.origin = url.rstrip("/")
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.dialogs: list[str] = []
        page.context.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._said)
        page.on("dialog", self._dialog)

    def _said(self, message: Any) -> None:
        # A response that is an error is told on the page; the browser also writes it down.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def check(self) -> None:
        """Nothing came from elsewhere, nothing was blocked by the policy, no script failed."""
        elsewhere = [url for url in self.requests if not url.startswith((f"{self.origin}/", "blob:", "data:"))]
        assert (elsewhere, self.complaints, self.dialogs) == ([], [], [])


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    watched: list[Watched] = []
    contexts: list[Any] = []

    def opened(url: str, **context: Any) -> Page:
        context = {"viewport": {"width": 1280, "height": 800}, "locale": "zh-CN", **context}
        contexts.append(browser.new_context(**context))
        page: Page = contexts[-1].new_page()
        page.set_default_timeout(30_000)
        watched.append(Watched(page, url))
        page.goto(url)
        return page

    yield opened
    for watch in watched:
        watch.check()
    for context in contexts:
        context.close()
