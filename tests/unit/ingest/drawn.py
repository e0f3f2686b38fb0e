"""Images of text for character recognition, and an engine that answers without looking."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from ingest.readers.context import ReaderContext
from ingest.readers.ocr import Ocr, OcrLine

CJK_FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")


def page(lines: Sequence[str]) -> Image.Image:
    """A scanned page; skips the test where the font is missing."""
    if not CJK_FONT.is_file():
        pytest.skip(f"no Noto CJK font at {CJK_FONT}: apt-get install fonts-noto-cjk")
    image = Image.new("RGB", (900, 80 + 80 * len(lines)), "white")
    font = ImageFont.truetype(str(CJK_FONT), 36)
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((60, 40 + 80 * number), line, fill="black", font=font)
    return image


def png(image: Image.Image) -> bytes:
    """`image` as a file."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


class SizesAsText:
    """An engine that says of every image how large it is, so that pages can be told apart without the real one."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def identity(self) -> str:
        """There is one version of it."""
        return "sizes"

    def read(self, image: Image.Image) -> list[OcrLine]:
        """One line: the size in pixels."""
        self.seen.append(image.size)
        words = f"这一页的大小是{image.width}乘{image.height}"
        middle = image.height / 2  # where no reader takes it for a running head
        return [OcrLine(words, 10, middle - 15, image.width - 10, middle + 15, 0.9)]


def quick() -> tuple[ReaderContext, SizesAsText, list[float]]:
    """A context with that engine, the engine, and the processor time that was asked for."""
    engine, asked = SizesAsText(), list[float]()
    ocr = Ocr(allow_cpu=asked.append)
    vars(ocr)["_engine"] = engine
    return ReaderContext(max_pages=10, allow_cpu=asked.append, ocr=ocr), engine, asked
