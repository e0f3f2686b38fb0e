"""Figures: the numbers that are drawn, the formats, and Chinese names."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes

from core.errors import ConfigError
from evaluate import plot
from evaluate.files import save
from evaluate.measures import measure_names, measured
from evaluate.plot import draw, load_drawable, refusal_figure, retrieval_figure
from evaluate.questions import Kind
from evaluate.records import Served
from evaluate.refusal_results import (
    RefusalResult,
    ScoredQuestion,
    best_in_sample,
    refusal_group,
    splits,
    threshold_of,
)
from evaluate.results import QueryResult, RetrievalResult, group, grouped

SERVED = Served(kb="default", generation="g1", embedder="minilm", settings={})
CHINESE_FONT = plot._chinese_font()


def retrieval(*found: tuple[str, list[int | None], float], top_k: int = 5) -> RetrievalResult:
    queries = tuple(
        QueryResult(qid=str(number), key=str(number), query="问", language=language, ranks=tuple(ranks),
                    relevance=relevance, values=measured(ranks, top_k))
        for number, (language, ranks, relevance) in enumerate(found)
    )  # fmt: skip
    measures = measure_names(top_k)
    return RetrievalResult(
        served=SERVED, query_set="set.jsonl", top_k=top_k, measures=measures, overall=group("all", queries, measures),
        languages=grouped(((query.language, query) for query in queries), measures), subjects=(), queries=queries,
    )  # fmt: skip


def refusal(*scored: tuple[Kind, float]) -> RefusalResult:
    questions = tuple(
        ScoredQuestion(id=str(number), key=str(number), question="问", language="zh", kind=kind, score=score)
        for number, (kind, score) in enumerate(scored)
    )
    return RefusalResult(
        served=SERVED, accept_set="a", reject_set="r", threshold=threshold_of(questions, 0.38),
        best_in_sample=best_in_sample(questions), questions=questions,
        groups=tuple(refusal_group(split, 0.38) for split in splits(questions)),
    )  # fmt: skip


RETRIEVAL = retrieval(("zh", [1], 0.9), ("zh", [3, None], 0.8), ("en", [None], 0.1), ("en", [2], 0.5))
REFUSAL = refusal(("accept", 0.9), ("accept", 0.3), ("near", 0.5), ("far", 0.1))


def lines(axes: Axes) -> dict[str, list[float]]:
    return {str(line.get_label()): [round(float(y), 3) for y in line.get_ydata()] for line in axes.get_lines()}  # type: ignore[union-attr]


def labels(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]  # type: ignore[union-attr]


def test_recall_is_drawn_for_every_k_and_language() -> None:
    left, right = retrieval_figure(RETRIEVAL).axes
    assert lines(left) == {
        "all (4)": [0.25, 0.5, 0.625, 0.625, 0.625],
        "en (2)": [0, 0.5, 0.5, 0.5, 0.5],
        "zh (2)": [0.5, 0.5, 0.75, 0.75, 0.75],
    }
    assert labels(right) == ["right (1)", "wrong (3)"]
    assert sum(patch.get_height() for patch in right.patches) == pytest.approx(2)  # type: ignore[attr-defined]


def test_one_language_is_one_curve_and_no_hits_are_no_trouble(tmp_path: Path) -> None:
    result = retrieval(("zh", [None], 0.2), top_k=1)
    left, right = retrieval_figure(result).axes
    assert list(lines(left)) == ["all (1)"] and labels(right) == ["right (0)", "wrong (1)"]
    draw(result, tmp_path / "one.png")


def test_curves_and_scores_of_refusal() -> None:
    roc, precision, scores = refusal_figure(REFUSAL).axes
    assert labels(roc) == ["all: area 0.750", "near: area 0.500", "far: area 1.000"]
    assert lines(roc)["all: area 0.750"] == [0, 0.5, 0.5, 1, 1]
    assert labels(precision) == ["all: average 0.833", "near: average 0.833", "far: average 1.000"]
    assert labels(scores) == [
        "to accept (2)", "to refuse, near (1)", "to refuse, far (1)", "served threshold 0.38", "best in-sample 0.3"
    ]  # fmt: skip


@pytest.mark.parametrize("result", [RETRIEVAL, REFUSAL])
def test_a_saved_run_gives_the_same_figure(result: Any, tmp_path: Path) -> None:
    save(result, tmp_path / "run.json")
    for path, run in (("a.svg", result), ("b.SVG", load_drawable(tmp_path / "run.json"))):
        draw(run, tmp_path / path)
    drawn = (tmp_path / "a.svg").read_bytes()
    assert drawn == (tmp_path / "b.SVG").read_bytes()
    assert b"<svg" in drawn and "default" in drawn.decode()
    draw(result, tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(CHINESE_FONT is None, reason="no font that knows Chinese is installed")
def test_chinese_names_are_drawn_without_missing_glyphs(tmp_path: Path) -> None:
    draw(retrieval(("中文", [1], 0.9), ("en", [1], 0.9)), tmp_path / "a.png")  # a missing glyph would warn, and fail


def test_names_that_no_font_can_show_are_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "_CHINESE_FONTS", ())
    result = retrieval(("中文", [1], 0.9), ("en", [1], 0.9))
    assert "\\u4e2d\\u6587 (1)" in lines(retrieval_figure(result).axes[0])
    draw(result, tmp_path / "a.png")


def test_a_figure_that_cannot_be_written_and_a_run_that_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        draw(RETRIEVAL, tmp_path / "no" / "a.png")
    save(SERVED, tmp_path / "other.json")
    with pytest.raises(ConfigError, match="not a saved run"):
        load_drawable(tmp_path / "other.json")
