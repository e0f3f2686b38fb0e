"""Nothing that a book, a question or a model says runs on the page or makes it fetch anything."""

from collections.abc import Callable, Iterator

import pytest
from acting import as_events, ask, made_answer, ready
from hostile_texts import PAYLOADS
from page_server import serve
from playwright.sync_api import Browser, Page, Route, expect

from core.settings import Settings
from ingest.rebuild import rebuild

pytestmark = pytest.mark.alone

Open = Callable[..., Page]
TOPICS = [f"topic{number:02}qz" for number in range(len(PAYLOADS))]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site over a book that is full of them, in its headings too."""
    books, data = tmp_path_factory.mktemp("hostile"), tmp_path_factory.mktemp("hostile-data")
    parts = ["# Hostile <img src=x onerror=window.__xss=1> book\n"]
    for topic, payload in zip(TOPICS, PAYLOADS, strict=True):
        heading = " ".join(payload.split())
        parts.append(f"## {topic} {heading}\n\n{topic} is defined as follows: {payload}\n\nSo much about {topic}.\n")
    (books / "hostile<img src=x onerror=window.__xss=1>.md").write_text("\n".join(parts), encoding="utf-8")
    report = rebuild(Settings(data_dir=data, source_dir=books), "default")
    assert report.exit_code == 0, report
    with serve(data) as url:
        yield url


def check(page: Page) -> None:
    """Nothing has run; the fixture looks at what was fetched."""
    assert page.evaluate("window.__xss") is None
    assert page.url.rstrip("/").endswith(page.evaluate("location.host"))
    assert (
        page.locator("#turns, #panel").locator("script, img:not(.page-image), iframe, object, embed, svg").count() == 0
    )


def test_the_text_of_a_book_runs_nothing(open_page: Open, hostile: str) -> None:
    page = open_page(hostile, locale="en-GB")
    cited = 0
    for topic in TOPICS[::4]:
        turn = ask(page, f"What is {topic}?")
        for source in turn.locator(".source").all()[:2]:
            source.click()
            expect(page.locator("#panel .quote, #panel .quoted").first).to_be_visible()
            check(page)
            cited += 1
    assert cited >= 10
    for element in page.locator("#turns button.marker, #turns summary").all():
        element.hover()
    check(page)


def test_a_question_runs_nothing(open_page: Open, site: str) -> None:
    page = open_page(site)
    for payload in PAYLOADS[::3]:
        ask(page, f"什么是死锁？ {payload}")
        check(page)
    page.reload()
    expect(page.locator(".turn")).to_have_count(len(PAYLOADS[::3]))
    check(page)


def test_what_a_model_writes_runs_nothing(open_page: Open, site: str) -> None:
    page = open_page(site)
    ready(page)
    written = ""

    def model(route: Route) -> None:
        if not route.request.post_data_json.get("stream"):
            route.continue_()
            return
        citation = {"id": 1, "book": written, "source": "os.md", "heading_path": [written], "page": None}
        citation |= {"page_label": written, "quote": written, "start": 1, "end": 9, "score": 1}
        unsupported = {"text": written, "start": 0, "end": len(written), "reason": "no-passage", "values": [written]}
        answer = made_answer(f"{written} [1]", citations=[citation], unsupported=[unsupported], search_query=written)
        answer |= {"model": written, "generation": written, "timings_ms": {written: 1}, "fallback": written}
        tokens = [("token", {"text": written[at : at + 7]}) for at in range(0, len(written), 7)]
        found = ("retrieval", {"passages": [], "search_query": written})
        route.fulfill(content_type="text/event-stream", body=as_events(found, *tokens, ("done", answer)))

    page.route("**/ask", model)
    for payload in PAYLOADS:
        written = payload
        turn = ask(page, "什么是死锁？")
        turn.locator(".source").click()
        expect(page.locator("#panel .quoted")).to_be_visible()
        check(page)
        page.get_by_role("button", name="撤回").click()


def test_an_error_runs_nothing(open_page: Open, site: str) -> None:
    page = open_page(site)
    ready(page)
    problem = {"detail": " ".join(PAYLOADS), "mend": " ".join(PAYLOADS)}
    page.route("**/ask", lambda route: route.fulfill(status=422, json=problem))
    turn = ask(page, "什么是死锁？")
    expect(turn.locator(".failure")).to_contain_text("<script>")
    check(page)


def test_the_policy_stops_what_would_run_all_the_same(browser: Browser, site: str) -> None:
    """If the server's rendering let something through, the browser would still not run or fetch it."""
    page = browser.new_page()
    page.goto(site)
    refused = page.evaluate(
        """async (markup) => {
            const refused = [];
            document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
            document.body.appendChild(document.createElement("div")).innerHTML = markup;
            await new Promise((resolve) => setTimeout(resolve, 500));
            return refused;
        }""",
        "<img src=http://evil.example/x.png><img src=x onerror=window.__xss=1><p style='color:red'>x</p>",
    )
    assert {"img-src", "script-src-attr", "style-src-attr"} <= set(refused)
    assert page.evaluate("window.__xss") is None
    page.close()
