"""What the chat page costs a browser: `python benchmarks/page.py [--gradio-python PYTHON]`.

Markdown on stdout, progress on stderr. Needs Chromium. The baseline is a minimal `gradio.ChatInterface` mounted into
FastAPI, run by PYTHON, an interpreter whose environment has Gradio (`pip install gradio`); without it only Keben's own
page is measured. Each page is opened on loopback ROUNDS times by a browser that knows nothing of it, in turns.

    paint      median milliseconds to the first contentful paint
    ready      median milliseconds until a question can be typed
    requests   of one opening; KiB: of the bodies as sent; elsewhere: requests to another origin
    policy     whether the page forbids inline scripts by a Content-Security-Policy
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ingestion.probe import keben_environment, markdown, measure, rebuild_command, say
from playwright.sync_api import Browser, Request, sync_playwright
from searching.serving import served

from core.settings import PROJECT

ROUNDS, SETTLE_SECONDS = 7, 1.5
_BARE = """
import json, socket
import gradio, uvicorn
from fastapi import FastAPI

def answer(message, history):
    yield message

app = gradio.mount_gradio_app(FastAPI(), gradio.ChatInterface(answer, title="课本"), path="/")
listener = socket.create_server(("127.0.0.1", 0))
print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])
"""
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


@dataclass(slots=True)
class Seen:
    """Openings of one page."""

    paint: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    requests: int = 0
    size: int = 0
    elsewhere: int = 0
    policy: bool = False


def look(browser: Browser, url: str, seen: Seen) -> None:
    """Open the page once."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="zh-CN")
    page = context.new_page()
    finished: list[Request] = []

    def note(request: Request) -> None:
        finished.append(request)

    page.on("requestfinished", note)
    begun = time.perf_counter()
    response = page.goto(url, wait_until="commit")
    assert response
    page.locator("textarea").first.wait_for(state="visible")
    seen.ready.append((time.perf_counter() - begun) * 1000)
    # Gradio keeps a stream open: the network never falls idle.
    page.wait_for_timeout(SETTLE_SECONDS * 1000)
    seen.paint.append(float(page.evaluate(_PAINT)))
    seen.requests = len(finished)
    seen.size = sum(request.sizes()["responseBodySize"] for request in finished)
    seen.elsewhere = sum(urlsplit(request.url).netloc != urlsplit(url).netloc for request in finished)
    policy = response.headers.get("content-security-policy", "")
    seen.policy = "script-src 'self'" in policy and "unsafe-inline" not in policy
    context.close()


def main() -> None:
    """Measure, in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gradio-python", type=Path, help="interpreter with Gradio")
    wanted = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        environment = keben_environment(folder, PROJECT / "knowledge")
        say("rebuilding")
        measure(rebuild_command(), environment)
        servers = {"Keben": stack.enter_context(served(environment, folder / "keben.log"))}
        if wanted.gradio_python:
            command = [str(wanted.gradio_python), "-c", _BARE]
            offline = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
            servers["Gradio"] = stack.enter_context(served(offline, folder / "gradio.log", command))
            version = [str(wanted.gradio_python), "-c", "import gradio; print(gradio.__version__)"]
            say(f"Gradio {subprocess.run(version, capture_output=True, text=True, check=True).stdout.strip()}")
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        found = {name: Seen() for name in servers}
        for number in range(ROUNDS):
            say(f"round {number + 1} of {ROUNDS}")
            for name, server in servers.items():
                look(browser, f"http://127.0.0.1:{server.port}/", found[name])
        browser.close()
    print(_table(found))


def _table(found: dict[str, Seen]) -> str:
    rows: list[list[object]] = []
    for name, seen in found.items():
        times = (round(statistics.median(seen.paint)), round(statistics.median(seen.ready)))
        rows.append([name, *times, seen.requests, seen.size // 1024, seen.elsewhere, "yes" if seen.policy else "no"])
    if len(found) == 2:
        ours, theirs = found.values()
        pairs = ((ours.paint, theirs.paint), (ours.ready, theirs.ready))
        ratios = [round(statistics.median(a) / statistics.median(b), 2) for a, b in pairs]
        rows.append(
            ["ratio", *ratios, round(ours.requests / theirs.requests, 2), round(ours.size / theirs.size, 2), "", ""]
        )
    return markdown(("page", "paint ms", "ready ms", "requests", "KiB", "elsewhere", "policy"), rows)


if __name__ == "__main__":
    main()
