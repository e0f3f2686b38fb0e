"""Character recognition with the engine itself, on images drawn here."""

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from core.errors import ModelError
from ingest.readers import ocr
from ingest.readers.ocr import Ocr, OcrLine, in_reading_order

CJK_FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
LINES = ["进程调度是操作系统的核心功能", "时间片轮转算法让每个进程轮流运行", "The scheduler picks a process"]

pytestmark = pytest.mark.skipif(importlib.util.find_spec("rapidocr") is None, reason="rapidocr is not installed")


@pytest.fixture(scope="module")
def engine() -> Ocr:
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
    monkeypatch.setattr(ocr, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="not installed") as caught:
        Ocr().read(Image.new("RGB", (50, 50)))
    assert caught.value.mend


def test_a_missing_model_is_not_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = ModuleSpec("rapidocr", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(ocr, "find_spec", lambda name: spec)
    with pytest.raises(ModelError, match="no model") as caught:
        Ocr().read(Image.new("RGB", (50, 50)))
    assert caught.value.mend
    assert list(tmp_path.iterdir()) == []


def test_a_broken_model_is_a_model_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name in ("PP-OCR_det_x.onnx", "PP-OCR_rec_x.onnx"):
        (tmp_path / "models" / name).write_bytes(b"no model at all")
    spec = ModuleSpec("rapidocr", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(ocr, "find_spec", lambda name: spec)
    with pytest.raises(ModelError) as caught:
        Ocr().read(Image.new("RGB", (50, 50), "white"))
    assert caught.value.mend
