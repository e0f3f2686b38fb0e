"""What somebody does at the page."""

import json
from typing import Any

from playwright.sync_api import Locator, Page, expect

DEADLOCK = "死锁的四个必要条件是什么？"
ACID = "What are the ACID properties?"
UNKNOWN = "红烧肉怎么做？"


def ready(page: Page) -> None:
    """Wait until the page knows what there is to ask."""
    expect(page.locator("#kb option")).not_to_have_count(0)


def ask(page: Page, question: str) -> Locator:
    """Ask, and wait until there is an answer; its turn."""
    ready(page)
    number = page.locator(".turn").count()
    page.fill("#question", question)
    page.keyboard.press("Enter")
    turn = page.locator(".turn").nth(number)
    expect(turn).not_to_have_class("turn writing")
    expect(turn.locator(".answer")).to_have_attribute("aria-busy", "false")
    return turn


def fits(page: Page) -> bool:
    """Whether nothing is wider than the window."""
    return bool(
        page.evaluate(
            "[document.documentElement, document.body, ...document.querySelectorAll('.turns, .panel, .talk')]"
            ".every((box) => box.scrollWidth <= box.clientWidth + 1)"
        )
    )


def made_answer(text: str, **changes: Any) -> dict[str, Any]:
    """An answer as the service gives it, with one citation of a book that is not there."""
    citation = {"id": 1, "book": "操作系统", "source": "os.md", "heading_path": ["死锁"], "page": None, "score": 1}
    citation |= {"page_label": None, "quote": "死锁", "start": 1, "end": 3}
    answer = {"answer": text, "citations": [citation], "refused": False, "reason": None, "model": "tiny"}
    answer |= {"kb": "default", "generation": "g1", "timings_ms": {"total": 1}, "search_query": None, "usage": None}
    return answer | {"fallback": None, "unsupported": [], "trimmed": None, "closest": [], **changes}


def as_events(*events: tuple[str, dict[str, Any]]) -> str:
    """Server-sent events."""
    return "".join(f"event: {name}\r\ndata: {json.dumps(data)}\r\n\r\n" for name, data in events)
