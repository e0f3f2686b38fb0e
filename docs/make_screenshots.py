"""Pictures of the page for the documents: docs/images/page-*.png.

    .venv/bin/keben serve &
    .venv/bin/python docs/make_screenshots.py http://127.0.0.1:8000

The service holds the sample textbooks, and the course of docs/finetune.md, tuned to its end. Needs Chromium and
fonts-noto-cjk.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

IMAGES = Path(__file__).parent / "images"
COLOURS = 96
# Name, width, height, scheme, locale, question.
QUESTIONS = (
    ("desktop-light", 1280, 800, "light", "zh-CN", "死锁的四个必要条件是什么？"),
    ("desktop-dark", 1280, 800, "dark", "en-GB", "What are the ACID properties?"),
    ("desktop-formula", 1280, 800, "light", "zh-CN", "泰勒公式是什么？"),
    ("phone-light", 390, 780, "light", "en-GB", "What are the ACID properties?"),
    ("phone-dark", 390, 780, "dark", "zh-CN", "红烧肉怎么做？"),
)
# Name, width, height, scheme, locale, section of the Build view to begin with.
BUILDS = (
    ("desktop-build", 1280, 800, "light", "zh-CN", "certificate"),
    ("phone-build", 390, 780, "dark", "en-GB", "files"),
)

# Name, width, height, scheme, locale, course.
TUNINGS = (
    ("desktop-tune", 1280, 800, "light", "zh-CN", "os-tutor"),
    ("phone-tune", 390, 780, "dark", "en-GB", "os-tutor"),
)


def asking(page: Page, url: str, question: str) -> None:
    """An answer, and where there is one its first citation."""
    page.goto(url)
    expect(page.locator("#kb option")).not_to_have_count(0)
    page.fill("#question", question)
    page.keyboard.press("Enter")
    expect(page.locator(".turn.done .answer")).to_have_attribute("aria-busy", "false")
    page.locator("#question").blur()
    markers = page.locator(".turn .marker")
    if markers.count():
        markers.first.click()
        expect(page.locator("#panel .quote").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.locator("#panel").evaluate("(panel) => { panel.blur(); panel.scrollTop = 0; }")


def building(page: Page, url: str, section: str) -> None:
    """The Build view, scrolled to a section."""
    page.goto(f"{url}#/build")
    expect(page.locator("section[aria-labelledby=build-certificate] .curve")).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.locator(f"section[aria-labelledby=build-{section}]").evaluate("(part) => part.scrollIntoView()")


def tuning(page: Page, url: str, course: str) -> None:
    """The Tune view of a course, scrolled to the table of its gate."""
    page.goto(f"{url}#/tune")
    page.locator(".tune-course", has_text=course).click()
    expect(page.locator(".tune-svg")).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.locator(".tune-gate").scroll_into_view_if_needed()


def main(url: str) -> None:
    """Write the pictures, in few colours."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for open_view, views in ((asking, QUESTIONS), (building, BUILDS), (tuning, TUNINGS)):
            for name, width, height, scheme, locale, what in views:
                size = {"width": width, "height": height}
                with browser.new_context(viewport=size, color_scheme=scheme, locale=locale) as context:
                    page = context.new_page()
                    open_view(page, url, what)
                    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS)
                    image.save(IMAGES / f"page-{name}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
