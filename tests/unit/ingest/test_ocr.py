"""Character recognition with the engines themselves, on images drawn here."""

import importlib.util
import json
import shutil
import threading
import weakref
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from core.errors import ModelError
from ingest.readers.ocr import OCR_CPU_SECONDS, Ocr, OcrLine, in_reading_order, rapid, tesseract

CJK_FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
LINES = ["进程调度是操作系统的核心功能", "时间片轮转算法让每个进程轮流运行", "The scheduler picks a process"]
needs_rapidocr = pytest.mark.skipif(importlib.util.find_spec("rapidocr") is None, reason="rapidocr is not installed")


@pytest.fixture(scope="module")
def engine() -> Ocr:
    if importlib.util.find_spec("rapidocr") is None:
        pytest.skip("rapidocr is not installed")
    return Ocr()


def page(mode: str = "RGB") -> Image.Image:
    if not CJK_FONT.is_file():
        pytest.skip("no Noto CJK font on this machine")
    image = Image.new(mode, (900, 320), "white" if mode == "RGB" else (0, 0, 0, 0))
    font = ImageFont.truetype(str(CJK_FONT), 36)
    for number, line in enumerate(LINES):
        ImageDraw.Draw(image).text((60, 40 + 80 * number), line, fill="black", font=font)
    return image


def plain(text: str) -> str:
    return "".join(text.split())


def test_reads_both_languages_in_order_and_quietly(engine: Ocr, capfd: pytest.CaptureFixture[str]) -> None:
    lines, confidence = engine.read(page())
    assert [plain(line.text) for line in lines] == [plain(line) for line in LINES]
    assert 0.9 < confidence <= 1
    assert confidence == pytest.approx(sum(line.confidence for line in lines) / len(lines))
    assert 40 < lines[0].x0 < 75 and 30 < lines[0].y0 < lines[0].y1 < 110
    assert capfd.readouterr() == ("", "")
    assert engine.engine == "rapidocr"


def test_transparent_images_are_read_on_white(engine: Ocr) -> None:
    lines, _ = engine.read(page("RGBA"))
    assert [plain(line.text) for line in lines] == [plain(line) for line in LINES]


def test_a_blank_image_has_no_lines(engine: Ocr) -> None:
    assert engine.read(Image.new("L", (400, 300), 255)) == ([], 0.0)


def test_reading_order_is_by_rows() -> None:
    def at(text: str, x: float, y: float) -> OcrLine:
        return OcrLine(text, x, y, x + 50, y + 20, 1.0)

    lines = [at("d", 100, 50), at("b", 100, 3), at("c", 0, 48), at("a", 0, 0)]
    assert [line.text for line in in_reading_order(lines)] == ["a", "b", "c", "d"]


def test_a_missing_engine_says_how_to_mend_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rapid, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="not installed") as caught:
        Ocr().read(Image.new("RGB", (50, 50)))
    assert caught.value.mend


def test_a_missing_model_is_not_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = ModuleSpec("rapidocr", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(rapid, "find_spec", lambda name: spec)
    with pytest.raises(ModelError, match="no model") as caught:
        Ocr().read(Image.new("RGB", (50, 50)))
    assert caught.value.mend
    assert list(tmp_path.iterdir()) == []


@needs_rapidocr
def test_a_broken_model_is_a_model_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name in ("PP-OCR_det_x.onnx", "PP-OCR_rec_x.onnx"):
        (tmp_path / "models" / name).write_bytes(b"no model at all")
    spec = ModuleSpec("rapidocr", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(rapid, "find_spec", lambda name: spec)
    with pytest.raises(ModelError) as caught:
        Ocr().read(Image.new("RGB", (50, 50), "white"))
    assert caught.value.mend


class Counting:
    """An engine that reads the size of an image, and says so late for the first."""

    def __init__(self) -> None:
        self.read_sizes: list[int] = []
        self.threads: set[int] = set()
        self.both = threading.Event()

    def identity(self) -> str:
        return "counting 1"

    def read(self, image: Image.Image) -> list[OcrLine]:
        self.read_sizes.append(image.width)
        self.threads.add(threading.get_ident())
        if image.width == 1:
            self.both.wait(30)
        else:
            self.both.set()
        return [OcrLine(str(image.width), 0, 0, 1, 1, 0.5)]


def counting(cache: Path | None = None, workers: int = 2, asked: list[float] | None = None) -> tuple[Ocr, Counting]:
    engine = Counting()
    reader = Ocr(workers=workers, cache=cache, allow_cpu=(asked if asked is not None else []).append)
    reader.__dict__["_engine"] = engine
    return reader, engine


def widths(count: int) -> Iterator[Image.Image]:
    return (Image.new("L", (width, 1)) for width in range(1, count + 1))


def test_images_are_read_side_by_side_and_given_back_in_order() -> None:
    asked: list[float] = []
    reader, engine = counting(asked=asked)
    found = list(reader.read_all(widths(6)))
    assert [each.lines[0].text for each in found] == ["1", "2", "3", "4", "5", "6"]
    assert [each.confidence for each in found] == [0.5] * 6
    assert len({each.image for each in found}) == 6
    assert len(engine.threads) == 2 and threading.get_ident() not in engine.threads
    assert asked == [OCR_CPU_SECONDS] * 6


def test_few_images_are_held_and_no_more_are_drawn_than_needed() -> None:
    reader, _ = counting()
    drawn: list[weakref.ref[Image.Image]] = []
    most = 0

    def draw() -> Iterator[Image.Image]:
        for image in widths(40):
            drawn.append(weakref.ref(image))
            yield image
            del image

    found = reader.read_all(draw())
    for taken, _each in enumerate(found, 1):
        assert len(drawn) - taken <= 3
        most = max(most, sum(image() is not None for image in drawn))
    assert most <= 4


def test_pages_read_before_cost_nothing(tmp_path: Path) -> None:
    asked: list[float] = []
    first = list(counting(tmp_path / "new" / "cache")[0].read_all(widths(3)))
    reader, engine = counting(tmp_path / "new" / "cache", asked=asked)
    assert list(reader.read_all(widths(4)))[:3] == first
    assert engine.read_sizes == [4] and asked == [OCR_CPU_SECONDS]
    assert {file.stem for file in (tmp_path / "new" / "cache").iterdir()} >= {each.image for each in first}


def test_a_finished_page_is_kept_at_once(tmp_path: Path) -> None:
    reader, _ = counting(tmp_path, workers=1)

    def draw() -> Iterator[Image.Image]:
        yield Image.new("L", (2, 1))
        yield Image.new("L", (3, 1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(reader.read_all(draw()))
    assert len(list(tmp_path.glob("*.json"))) >= 1


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"[1, 2]", b"\xff", b'{"lines": [["a", 1]]}', b'{"lines": 3}', b"[" * 5000]
)
def test_a_damaged_entry_is_a_miss(tmp_path: Path, damage: bytes) -> None:
    (first,) = counting(tmp_path)[0].read_all([Image.new("L", (7, 1))])
    entry = tmp_path / f"{first.image}.json"
    entry.write_bytes(damage)
    reader, engine = counting(tmp_path)
    assert list(reader.read_all([Image.new("L", (7, 1))])) == [first]
    assert engine.read_sizes == [7]
    assert json.loads(entry.read_bytes())["lines"] == [["7", 0, 0, 1, 1, 0.5]]


def test_a_folder_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert counting(tmp_path / "file")[0].read(Image.new("L", (7, 1)))[0][0].text == "7"
    assert counting(tmp_path / "file" / "below")[0].read(Image.new("L", (7, 1)))[0][0].text == "7"


def test_the_hash_is_of_pixels_size_and_engine() -> None:
    def key(image: Image.Image, identity: str = "counting 1") -> str:
        reader, engine = counting()
        engine.identity = lambda: identity  # type: ignore[method-assign]
        (found,) = reader.read_all([image])
        return found.image

    plain_image = Image.new("L", (6, 2), 255)
    assert key(plain_image) == key(plain_image.convert("RGB")) == key(Image.new("RGBA", (6, 2), (0, 0, 0, 0)))
    others = [Image.new("L", (6, 2), 254), Image.new("L", (4, 3), 255)]
    assert len({key(plain_image), *map(key, others), key(plain_image, "counting 2")}) == 4


@needs_rapidocr
def test_the_engine_names_what_the_result_depends_on() -> None:
    identity = rapid.RapidOcr().identity()
    assert "PP-OCR" in identity and "rapidocr 3" in identity


needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="no tesseract on this machine (apt-get install tesseract-ocr)"
)
needs_chinese = pytest.mark.skipif(
    not list(Path("/usr/share").glob("tesseract-ocr/*/tessdata/chi_sim.traineddata")),
    reason="tesseract has no chi_sim data (apt-get install tesseract-ocr-chi-sim)",
)


class TestTesseract:
    @needs_tesseract
    @needs_chinese
    def test_reads_both_languages_in_order(self, capfd: pytest.CaptureFixture[str]) -> None:
        reader = Ocr("tesseract", workers=2)
        lines, confidence = reader.read(page())
        assert [plain(line.text) for line in lines] == [plain(line) for line in LINES]
        assert lines[2].text == LINES[2]
        assert 0.5 < confidence <= 1
        assert 40 < lines[0].x0 < 75 and 30 < lines[0].y0 < lines[0].y1 < 110
        assert capfd.readouterr() == ("", "")
        assert reader.engine == "tesseract"

    @needs_tesseract
    def test_a_blank_image_has_no_lines(self) -> None:
        assert Ocr("tesseract", languages="eng").read(Image.new("L", (400, 300), 255)) == ([], 0.0)

    @needs_tesseract
    def test_a_language_without_data_is_named(self) -> None:
        with pytest.raises(ModelError, match="xyz") as caught:
            Ocr("tesseract", languages="eng+xyz").read(Image.new("L", (50, 50)))
        assert "tesseract-ocr-xyz" in caught.value.mend

    @needs_tesseract
    @needs_chinese
    def test_the_identity_names_version_and_languages(self) -> None:
        identity = tesseract.Tesseract("chi_sim+eng").identity()
        assert "tesseract 5" in identity or "tesseract 4" in identity
        assert "chi_sim" in identity and "eng" in identity

    def test_without_the_program(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        with pytest.raises(ModelError, match="not installed") as caught:
            Ocr("tesseract").read(Image.new("L", (50, 50)))
        assert "tesseract-ocr-chi-sim" in caught.value.mend and "rapidocr" in caught.value.mend
