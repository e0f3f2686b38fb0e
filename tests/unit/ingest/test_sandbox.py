"""The child process that parses a file: its limits, its end, and what comes back."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from files import epub, html, slides, word, write
from PIL import Image, ImageDraw, ImageFont
from test_pdf import CJK_FONT, Paper, needs_font

from core.errors import UnreadableBookError
from core.settings import IngestSettings
from core.types import ExtractedBook
from ingest.child import _wait
from ingest.readers import read_book
from ingest.readers.context import ReaderContext
from ingest.sandbox import parse_in_sandbox

SETTINGS = IngestSettings()
BODY = "进程是程序的一次执行"
# Pandoc works on this for minutes.
SLOW = "段落 *a* **b** `c` 与 :math:`x^2`。\n\n" * 200_000
PATIENCE = 120.0


def refusal(path: Path, settings: IngestSettings = SETTINGS) -> UnreadableBookError:
    with pytest.raises(UnreadableBookError) as caught:
        parse_in_sandbox(path, settings)
    assert path.name in caught.value.message
    assert caught.value.mend
    return caught.value


def processes_of(path: Path) -> dict[int, str]:
    """Process ids and command lines that name `path`."""
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(path) in command:
            found[int(folder.name)] = command
    return found


def until(condition: Callable[[], bool]) -> bool:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Parsing(threading.Thread):
    """A parse in the background, and the error it ends with."""

    def __init__(self, path: Path, settings: IngestSettings = SETTINGS) -> None:
        super().__init__()
        self.path, self.settings = path, settings
        self.error: UnreadableBookError | None = None
        self.start()

    def run(self) -> None:
        try:
            parse_in_sandbox(self.path, self.settings)
        except UnreadableBookError as error:
            self.error = error


def good_files(folder: Path) -> list[Path]:
    return [
        write(folder / "a.md", "# 书\n\n段落的公式 $x$ 与 \U00020000。\n\n- 甲\n- 乙\n"),
        write(folder / "b.txt", "第一章 进程\n进程是程序的执行。\n".encode("gb18030")),
        html(folder / "c.html", "<h1>书</h1><p>进程是程序的执行。</p><table><tr><td>格</td></tr></table>"),
        word(folder / "d.docx", lambda document: document.add_paragraph("进程是程序的执行。") and None),
        epub(folder / "e.epub", {"a.xhtml": "<h1>章</h1><p>进程是程序的执行。</p>"}),
    ]


def test_a_good_file_comes_back_as_if_read_here(tmp_path: Path) -> None:
    for path in good_files(tmp_path):
        book = parse_in_sandbox(path, SETTINGS)
        assert isinstance(book, ExtractedBook)
        assert book == read_book(path, ReaderContext(SETTINGS.max_pages))
        assert book.blocks


def test_the_limits_of_this_process_stay_as_they_are(tmp_path: Path) -> None:
    before = Path("/proc/self/limits").read_text(encoding="utf-8")
    parse_in_sandbox(write(tmp_path / "a.md", BODY), SETTINGS)
    assert Path("/proc/self/limits").read_text(encoding="utf-8") == before


def test_over_the_wall_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    path = write(tmp_path / "slow.rst", SLOW)
    error = refusal(path, IngestSettings(wall_seconds=2))
    assert "not read within 2 s" in error.message
    assert "KEBEN_INGEST__WALL_SECONDS" in error.mend
    assert list(scratch.iterdir()) == []
    assert until(lambda: not processes_of(path))


def test_over_the_processor_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "busy.md", "*a **a _b " * 90_000)
    assert "1 s of processor time" in refusal(path, IngestSettings(cpu_seconds=1)).message


def test_over_the_memory_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "big.md", "段。\n\n" * 1_500_000)
    error = refusal(path, IngestSettings(memory_mb=256))
    assert "256 MiB" in error.message
    assert "KEBEN_INGEST__MEMORY_MB" in error.mend


def test_killed_by_a_signal_and_what_it_started_is_gone(tmp_path: Path) -> None:
    path = write(tmp_path / "shot.rst", SLOW)
    parsing = Parsing(path)
    assert until(lambda: any("pandoc" in command for command in processes_of(path).values()))
    worker = next(process for process, command in processes_of(path).items() if "ingest.worker" in command)
    os.kill(worker, signal.SIGKILL)
    parsing.join(PATIENCE)
    assert parsing.error is not None
    assert "shot.rst" in parsing.error.message and "SIGKILL" in parsing.error.message
    assert until(lambda: not processes_of(path))


def test_html_nested_thousands_deep(tmp_path: Path) -> None:
    path = html(tmp_path / "deep.html", "<div>" * 5000 + "深处" + "</div>" * 5000)
    assert "nested too deeply" in refusal(path).message


def test_markdown_nested_thousands_deep_is_read(tmp_path: Path) -> None:
    for mark in ("> ", "- "):
        text = mark * 2000 + "深处的文字\n\n后面的文字\n"
        assert parse_in_sandbox(write(tmp_path / "deep.md", text), SETTINGS).text == text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("blank.md", "\n \n\n"),
        ("rules.md", "---\n\n***\n"),
        ("dots.txt", "。。。\n"),
        ("empty.html", "<html><body><p></p></body></html>"),
        ("hidden.html", "<html><body><p hidden>隐藏</p></body></html>"),
        ("bom.txt", b"\xef\xbb\xbf"),
    ],
)
def test_a_file_without_text(name: str, content: str | bytes, tmp_path: Path) -> None:
    assert "no text that could be read" in refusal(write(tmp_path / name, content)).message


def test_a_file_with_hardly_any_text(tmp_path: Path) -> None:
    assert "only 4 letters and digits" in refusal(write(tmp_path / "few.md", "# 书\n\nabc\n")).message
    error = refusal(slides(tmp_path / "few.pptx", lambda show: [show.slides.add_slide(show.slide_layouts[6])] * 3))
    assert "no text that could be read" in error.message


def test_pages_with_hardly_any_text(tmp_path: Path) -> None:
    def fill(show: Any) -> None:
        for number in range(5):
            show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = f"第{number}页"

    error = refusal(slides(tmp_path / "few.pptx", fill))
    assert "15 letters and digits on 5 pages, fewer than 5 a page" in error.message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("line.txt", "字" * 17_000_000),
        ("line.md", "![x](data:image/png;base64,AAAA) " + "word " * 300_000),
        ("line.html", "<p>" + "字" * 400_000 + "</p>"),
        ("links.md", "[" * 50_000 + "文字文字文字文字"),
        ("deep.html", "<div>" * 200_000 + "深处的文字在这里"),
    ],
)
def test_what_would_keep_a_parser_busy_is_refused_at_once(name: str, content: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    refusal(path, IngestSettings(cpu_seconds=10))


def test_images_inside_a_page_make_no_long_line(tmp_path: Path) -> None:
    image = "data:image/png;base64," + "A" * 2_000_000
    page = html(tmp_path / "a.html", f"<p>{BODY}</p><img src='{image}'>")
    assert BODY in parse_in_sandbox(page, SETTINGS).text
    assert BODY in parse_in_sandbox(write(tmp_path / "a.md", f"{BODY}\n\n![]({image})\n"), SETTINGS).text


def test_a_mislabelled_file_keeps_its_own_message(tmp_path: Path) -> None:
    error = refusal(write(tmp_path / "a.docx", b"%PDF-1.7\n"))
    assert "not a docx file" in error.message
    assert "suffix" in error.mend


def test_a_file_that_went_away(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "gone.md").message


def test_a_format_without_a_reader(tmp_path: Path) -> None:
    error = refusal(write(tmp_path / "old.wps", "正文"))
    assert "'.wps'" in error.message and ".docx" in error.mend


def test_pages_over_the_limit_of_size(tmp_path: Path) -> None:
    path = write(tmp_path / "large.md", "进程 " * 400_000)
    assert "more than the 1 allowed" in refusal(path, IngestSettings(max_file_mb=1)).message


def test_modules_in_the_working_directory_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "json.py", "raise SystemExit('shadowed')")
    write(tmp_path / "queue.py", "raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    assert parse_in_sandbox(write(tmp_path / "a.md", BODY), SETTINGS).text == BODY


def test_names_with_blanks_and_dashes(tmp_path: Path) -> None:
    for name in ("-rf 书.md", "计算机操作系统 - 概述.html"):
        path = html(tmp_path / name, f"<p>{BODY}</p>")
        assert BODY in parse_in_sandbox(path, SETTINGS).text


needs_rapidocr = pytest.mark.skipif(importlib.util.find_spec("rapidocr") is None, reason="rapidocr is not installed")


def scan(path: Path) -> Path:
    """Two pages of one line each, and a blank one, as images."""
    images = {}
    for index, text in enumerate(("进程调度与死锁的处理", "散列表与二叉树的查找", "")):
        images[index] = Image.new("L", (1240, 1754), 255)
        ImageDraw.Draw(images[index]).text((80, 120), text, fill=0, font=ImageFont.truetype(str(CJK_FONT), 48))
    paper = Paper(images=images)
    for _ in images:
        paper.page()
    return paper.save(path)


@needs_font
@needs_rapidocr
def test_recognised_pages_are_kept_and_found_again(tmp_path: Path) -> None:
    path, cache = scan(tmp_path / "scan.pdf"), tmp_path / "made" / "ocr"
    book = parse_in_sandbox(path, SETTINGS, cache)
    assert "进程调度" in book.text and "散列表" in book.text
    assert [page.number for page in book.ocr] == [1, 2]
    assert book.notes == ("no text was found on the images of page 3",)
    kept = {file.stem for file in cache.glob("*.json")}
    assert len(kept) == 3 and {page.image for page in book.ocr} < kept
    entry = cache / f"{book.ocr[0].image}.json"
    entry.write_text(entry.read_text(encoding="utf-8").replace("调度", "通信"), encoding="utf-8")
    assert "进程通信" in parse_in_sandbox(path, SETTINGS, cache).text
    entry.write_bytes(b"{")
    assert parse_in_sandbox(path, SETTINGS, cache) == book
    assert "调度" in json.loads(entry.read_bytes())["lines"][0][0]


@needs_font
@needs_rapidocr
def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    book = parse_in_sandbox(scan(tmp_path / "scan.pdf"), SETTINGS, tmp_path / "file" / "ocr")
    assert "进程调度" in book.text


def test_the_wall_clock_begins_anew_with_progress(tmp_path: Path) -> None:
    progress = tmp_path / "progress"

    def ended(script: str) -> int | None:
        process = subprocess.Popen([sys.executable, "-c", script, str(progress)])
        try:
            return _wait(process, 2, progress)
        finally:
            process.kill()
            process.wait()

    touch = "import pathlib, sys, time\nfor _ in range(8):\n    pathlib.Path(sys.argv[1]).touch()\n    time.sleep(0.5)"
    assert ended(touch) == 0
    assert ended("import time; time.sleep(60)") is None


def test_a_worker_for_text_does_not_load_what_only_scans_need(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    options = json.dumps({**SETTINGS.model_dump(), "ocr_cache": None})
    script = (
        "import sys; from ingest.worker import main; main(*sys.argv[1:]);"
        "print({'numpy', 'PIL', 'onnxruntime', 'pypdfium2'} & sys.modules.keys())"
    )
    path = write(tmp_path / "a.md", "# 书\n\n正文。\n")
    command = [sys.executable, "-c", script, str(path), str(out), options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert json.loads(out.read_text(encoding="utf-8"))["book"]["text"]
