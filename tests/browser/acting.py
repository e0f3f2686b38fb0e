"""What somebody does at the page."""

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
