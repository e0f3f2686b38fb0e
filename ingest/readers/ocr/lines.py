"""What is read off an image, and what an engine must do. Boxes are in pixels, y downwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A line of an image. Box in pixels, y downwards; confidence 0 to 1."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Recognised:
    """The lines of an image in reading order, their mean confidence, and the image's hash (`OcrPage.image`)."""

    lines: list[OcrLine]
    confidence: float
    image: str


class Engine(Protocol):
    """Reads one image. May be called from several threads at a time; raises `ModelError` where it cannot."""

    def identity(self) -> str:
        """Everything that the result depends on besides the image: version, models, languages."""

    def read(self, image: "Image") -> list[OcrLine]:
        """The lines of an RGB image in reading order."""


def mean_confidence(lines: Sequence[OcrLine]) -> float:
    """0.0 without lines."""
    return sum(line.confidence for line in lines) / len(lines) if lines else 0.0


def in_reading_order(lines: Sequence[OcrLine]) -> list[OcrLine]:
    """Top to bottom, and left to right where boxes stand side by side."""
    rows: list[list[OcrLine]] = []
    for line in sorted(lines, key=lambda each: each.y0 + each.y1):
        last = rows[-1][0] if rows else None
        if last and (line.y0 + line.y1) / 2 < last.y1 - 0.3 * (last.y1 - last.y0):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda each: each.x0)]
