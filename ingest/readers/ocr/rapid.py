"""RapidOCR (PP-OCR models from its wheel, no network): about 7 CPU-seconds for an A4 page at 200 dpi."""

import logging
import os
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import ModelError
from ingest.readers.ocr.lines import OcrLine, in_reading_order

if TYPE_CHECKING:
    from PIL.Image import Image

NAME = "rapidocr"
_MEND = "install the locked requirements again (rapidocr and onnxruntime), or give the book with a text layer"
# Lines of a book stand upright, so the classifier for turned ones is off. Pages are read side by side, each
# in one thread: that is faster than several threads for each, which also reserve address space.
_PARAMS: dict[str, Any] = {
    "Global.log_level": "critical",
    "Global.use_cls": False,
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}
_MODELS = {"Det.model_path": "PP-OCR*_det_*.onnx", "Rec.model_path": "PP-OCR*_rec_*.onnx"}


class RapidOcr:
    """Keeps as many models as images are read at a time; they are loaded when needed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: list[Any] = []

    def identity(self) -> str:
        files = (Path(file) for file in _model_files().values())
        models = [f"{file.name} {file.stat().st_size}" for file in files]
        return " ".join([NAME, version(NAME), *models])

    def read(self, image: "Image") -> list[OcrLine]:
        # The engine takes OpenCV's channel order.
        pixels = np.ascontiguousarray(np.asarray(image)[:, :, ::-1])
        model = self._take()
        try:
            found = model(pixels)
        except _failures() as error:
            raise ModelError(f"{NAME} failed on an image of {image.size}: {error}", mend=_MEND) from error
        finally:
            self._idle.append(model)
        if found.txts is None or found.boxes is None:
            return []
        parts = zip(found.boxes, found.txts, found.scores, strict=True)
        return in_reading_order([_line(box, text, score) for box, text, score in parts if text.strip()])

    def _take(self) -> Any:
        with self._lock:  # loading is not thread-safe
            return self._idle.pop() if self._idle else _load()


def _line(box: Any, text: str, score: float) -> OcrLine:
    xs, ys = box[:, 0], box[:, 1]
    return OcrLine(text, float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max()), float(score))


def _load() -> Any:
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # Paths are given outright, because the engine downloads a model that it does not find.
    paths = _model_files()
    logging.getLogger("RapidOCR").disabled = True
    try:
        from rapidocr import RapidOCR

        return RapidOCR(params={**_PARAMS, **paths})
    except _failures() as error:
        raise ModelError(f"the OCR engine {NAME} does not load: {error}", mend=_MEND) from error


def _model_files() -> dict[str, str]:
    spec = find_spec(NAME)
    if spec is None or spec.origin is None:
        raise ModelError(f"the OCR engine {NAME} is not installed", mend=_MEND)
    folder = Path(spec.origin).parent / "models"
    return {name: _model_file(folder, glob) for name, glob in _MODELS.items()}


def _model_file(folder: Path, glob: str) -> str:
    files = sorted(folder.glob(glob))
    if not files:
        raise ModelError(f"the OCR engine {NAME} has no model {glob} in {folder}", mend=_MEND)
    return str(files[-1])


def _failures() -> tuple[type[Exception], ...]:
    """What the engine raises. onnxruntime's own share no base but Exception, and exist once it is loaded."""
    state = sys.modules.get("onnxruntime.capi.onnxruntime_pybind11_state")
    kinds = vars(state).values() if state else ()
    own = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Exception)]
    return (ImportError, OSError, KeyError, RuntimeError, ValueError, MemoryError, *own)
