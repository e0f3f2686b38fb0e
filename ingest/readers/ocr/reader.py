"""Images in, lines out: through the cache, on several cores, in the order of the images."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.readers.ocr.cache import OcrCache
from ingest.readers.ocr.lines import Engine, OcrLine, Recognised, mean_confidence

if TYPE_CHECKING:
    from PIL.Image import Image

OCR_CPU_SECONDS = 60.0  # granted for each recognised page; about 8 are used


class Ocr:
    """Reads images. The engine is loaded at the first one and kept.

    engine: "rapidocr" or "tesseract". languages: of Tesseract. workers: images read at a time.
    cache: folder of recognised images. allow_cpu: called with CPU seconds before each image that is not in it.
    Raises `ModelError` where the engine or its models are missing or fail.
    """

    def __init__(
        self,
        engine: str = "rapidocr",
        *,
        languages: str = "chi_sim+eng",
        workers: int = 1,
        cache: Path | None = None,
        allow_cpu: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.engine = engine
        self._languages, self._workers, self._allow_cpu = languages, workers, allow_cpu
        self._cache = OcrCache(cache)

    def read(self, image: "Image") -> tuple[list[OcrLine], float]:
        """The lines of `image` in reading order, and their mean confidence (0.0 without lines)."""
        (found,) = self.read_all([image])
        return found.lines, found.confidence

    def find(self, image: "Image") -> list[OcrLine] | None:
        """The lines of `image` where they were recognised before; the engine is not run."""
        return self._cache.find(self._hash(_opaque(image)))

    def read_all(self, images: Iterable["Image"]) -> Iterator[Recognised]:
        """What stands on each image, in their order.

        `images` is pulled in the caller's thread and only a few images ahead of what has been given back,
        so a generator that draws pages keeps a bounded number of them in memory.
        """
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="ocr")
        waiting: deque[Future[Recognised]] = deque()
        try:
            for image in images:
                waiting.append(self._begin(pool, image))
                del image  # the one being worked on is the pool's
                if len(waiting) > self._workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _begin(self, pool: ThreadPoolExecutor, image: "Image") -> "Future[Recognised]":
        image = _opaque(image)
        key = self._hash(image)
        lines = self._cache.find(key)
        if lines is None:
            self._allow_cpu(OCR_CPU_SECONDS)
            return pool.submit(self._recognise, key, image)
        known: Future[Recognised] = Future()
        known.set_result(Recognised(lines, mean_confidence(lines), key))
        return known

    def _recognise(self, key: str, image: "Image") -> Recognised:
        lines = self._engine.read(image)
        self._cache.keep(key, lines)
        return Recognised(lines, mean_confidence(lines), key)

    def _hash(self, image: "Image") -> str:
        """Of the pixels, and of all else that the result depends on."""
        digest = hashlib.sha256(f"{self._identity} {image.width} {image.height} ".encode())
        digest.update(image.tobytes())
        return digest.hexdigest()

    @cached_property
    def _identity(self) -> str:
        return self._engine.identity()

    @cached_property
    def _engine(self) -> Engine:
        return engine_of(self.engine, self._languages)


def engine_of(name: str, languages: str) -> Engine:
    """The engine of this name, not loaded yet. languages: of Tesseract."""
    if name == "tesseract":
        from ingest.readers.ocr.tesseract import Tesseract

        return Tesseract(languages)
    from ingest.readers.ocr.rapid import RapidOcr

    return RapidOcr()


def _opaque(image: "Image") -> "Image":
    """In RGB; a white page where the image is transparent."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        from PIL import Image as Images

        layered = image.convert("RGBA")
        white = Images.new("RGBA", layered.size, "white")
        return Images.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")
