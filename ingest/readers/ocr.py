"""Optical character recognition with RapidOCR (PP-OCR models from its wheel, no network).

The engine costs about 7 CPU-seconds for an A4 page at 200 dpi. Boxes are in pixels of the image.
"""

import logging
import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.errors import ModelError

ENGINE = "rapidocr"
_MEND = "install the locked requirements again (rapidocr and onnxruntime), or give the book with a text layer"
# Lines of a book stand upright, so the classifier for turned ones is off. Every thread reserves address
# space, of which a sandboxed reader has 2 GiB; on many cores one thread each would not fit.
_PARAMS: dict[str, Any] = {
    "Global.log_level": "critical",
    "Global.use_cls": False,
    "EngineConfig.onnxruntime.intra_op_num_threads": min(2, os.cpu_count() or 1),
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}
_MODELS = {"Det.model_path": "PP-OCR*_det_*.onnx", "Rec.model_path": "PP-OCR*_rec_*.onnx"}


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A line of an image. Box in pixels, y downwards; confidence 0 to 1."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    confidence: float


class Ocr:
    """Reads images. The model is loaded at the first `read` and kept.

    Raises `ModelError` where the engine or its models are missing or fail.
    """

    engine = ENGINE

    def __init__(self) -> None:
        self._model: Any = None

    def read(self, image: Image.Image) -> tuple[list[OcrLine], float]:
        """The lines of `image` in reading order, and their mean confidence (0.0 without lines)."""
        if self._model is None:
            self._model = _load()
        # The engine takes OpenCV's channel order, and a white page where the image is transparent.
        pixels = np.ascontiguousarray(np.asarray(_opaque(image))[:, :, ::-1])
        try:
            found = self._model(pixels)
        except _failures() as error:
            raise ModelError(f"{ENGINE} failed on an image of {image.size}: {error}", mend=_MEND) from error
        if found.txts is None or found.boxes is None:
            return [], 0.0
        parts = zip(found.boxes, found.txts, found.scores, strict=True)
        lines = in_reading_order([_line(box, text, score) for box, text, score in parts if text.strip()])
        return lines, sum(line.confidence for line in lines) / len(lines) if lines else 0.0


def in_reading_order(lines: list[OcrLine]) -> list[OcrLine]:
    """Top to bottom, and left to right where boxes stand side by side."""
    rows: list[list[OcrLine]] = []
    for line in sorted(lines, key=lambda each: each.y0 + each.y1):
        last = rows[-1][0] if rows else None
        if last and (line.y0 + line.y1) / 2 < last.y1 - 0.3 * (last.y1 - last.y0):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda each: each.x0)]


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


def _line(box: Any, text: str, score: float) -> OcrLine:
    xs, ys = box[:, 0], box[:, 1]
    return OcrLine(text, float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max()), float(score))


def _load() -> Any:
    os.environ.setdefault("DO_NOT_TRACK", "1")
    spec = find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise ModelError(f"the OCR engine {ENGINE} is not installed", mend=_MEND)
    # Paths are given outright, because the engine downloads a model that it does not find.
    paths = {name: _model_file(Path(spec.origin).parent / "models", glob) for name, glob in _MODELS.items()}
    logging.getLogger("RapidOCR").disabled = True
    try:
        from rapidocr import RapidOCR

        return RapidOCR(params={**_PARAMS, **paths})
    except _failures() as error:
        raise ModelError(f"the OCR engine {ENGINE} does not load: {error}", mend=_MEND) from error


def _model_file(folder: Path, glob: str) -> str:
    files = sorted(folder.glob(glob))
    if not files:
        raise ModelError(f"the OCR engine {ENGINE} has no model {glob} in {folder}", mend=_MEND)
    return str(files[-1])


def _failures() -> tuple[type[Exception], ...]:
    """What the engine raises. onnxruntime's own share no base but Exception, and exist once it is loaded."""
    state = sys.modules.get("onnxruntime.capi.onnxruntime_pybind11_state")
    kinds = vars(state).values() if state else ()
    own = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Exception)]
    return (ImportError, OSError, KeyError, RuntimeError, ValueError, MemoryError, *own)
