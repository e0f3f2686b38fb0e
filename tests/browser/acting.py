"""What somebody does at the page."""

import json
from typing import Any

from playwright.sync_api import Locator, Page, expect

from core.settings import PROJECT

DEADLOCK = "死锁的四个必要条件是什么？"
ACID = "What are the ACID properties?"
UNKNOWN = "红烧肉怎么做？"
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
AXE = PROJECT / ".axe" / "package" / "axe.min.js"


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
            "[document.documentElement, document.body, ...document.querySelectorAll('.turns, .panel, .talk, .work')]"
            ".every((box) => box.scrollWidth <= box.clientWidth + 1)"
        )
    )


def serious(page: Page) -> list[str]:
    """What axe-core finds wrong, seriously or worse."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    return [
        f"{fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in found["violations"]
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    ]


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
