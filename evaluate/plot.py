"""Figures of saved runs, as PNG or SVG. The one module that imports matplotlib, and it does so without a display."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from matplotlib import font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pydantic import Field, RootModel

from core.errors import ConfigError
from evaluate.decisions import curve
from evaluate.files import load
from evaluate.intervals import bootstrap
from evaluate.measures import recall
from evaluate.questions import KINDS
from evaluate.refusal_results import RefusalGroup, RefusalResult, Split, splits, values_of
from evaluate.results import QueryResult, RetrievalResult

# Names in a query set may be Chinese; the first of these that is installed shows them.
_CHINESE_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "PingFang SC",
    "Microsoft YaHei", "SimHei")  # fmt: skip
_BINS = [place / 20 for place in range(21)]
_COLOURS = ("tab:green", "tab:red", "tab:orange", "tab:gray")


Drawable = RetrievalResult | RefusalResult


class _Saved(RootModel[Annotated[Drawable, Field(discriminator="format")]]):
    """A saved run of which there is a figure."""


def load_drawable(path: Path) -> Drawable:
    """A saved run of which there is a figure; raises ConfigError for any other file."""
    return load(path, _Saved).root


def draw(run: Drawable, path: Path) -> None:
    """Write the figure of a run as PNG or SVG, by the name's end; raises ConfigError when it cannot be written."""
    kind = path.suffix[1:].lower()
    font = _chinese_font()
    fonts = ["DejaVu Sans", *([font] if font else [])]
    with rc_context({"font.family": fonts, "svg.fonttype": "none", "svg.hashsalt": "keben"}):
        figure = retrieval_figure(run) if isinstance(run, RetrievalResult) else refusal_figure(run)
        try:
            figure.savefig(path, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}", mend="name another file") from error


def retrieval_figure(result: RetrievalResult) -> Figure:
    """Recall over the number of passages, and the relevance of first passages that are right and that are not."""
    figure, (left, right) = _figure(f"Retrieval of {result.served.kb}: {result.overall.queries} queries", 2)
    curves = {"all": list(result.queries)}
    if len(result.languages) > 1:
        for group in result.languages:
            curves[group.name] = [query for query in result.queries if query.language == group.name]
    for name, queries in curves.items():
        _recall_curve(left, name, queries, result.top_k)
    left.set(xlabel="passages looked at (k)", ylabel="recall@k", ylim=(0, 1.02), title="Recall, with 95 % intervals")
    left.legend(loc="lower right")
    hits = [query.relevance for query in result.queries if query.rank == 1]
    misses = [query.relevance for query in result.queries if query.rank != 1]
    _histograms(right, {"right": hits, "wrong": misses})
    right.set(xlabel="relevance of the first passage", title="The first passage")
    return figure


def refusal_figure(result: RefusalResult) -> Figure:
    """ROC and precision-recall curves, and the scores of both classes with the threshold, kind by kind."""
    figure, (roc, precision, scores) = _figure(f"Refusal of {result.served.kb}", 3)
    for group, split in zip(result.groups, splits(result.questions), strict=True):
        _decision_curves(roc, precision, group, split)
    roc.plot([0, 1], [0, 1], color="tab:gray", linestyle=":")
    roc.set(
        xlabel="share of questions to refuse that is accepted", ylabel="recall", title="ROC (dot: served threshold)"
    )
    precision.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02), title="Precision and recall of accept")
    _score_histograms(scores, result)
    roc.legend(loc="lower right")
    precision.legend(loc="lower left")
    return figure


def _decision_curves(roc: Axes, precision: Axes, group: RefusalGroup, split: Split) -> None:
    """The curves of one group, a dot where the served threshold stands on them."""
    name, accept, reject = split
    found, name = curve(values_of(accept), values_of(reject)), _legible(name)
    area, average = group.scores["roc_auc"].mean, group.scores["average_precision"].mean
    roc.plot([0.0, *found.fallout], [0.0, *found.recall], label=f"{name}: area {area:.3f}")
    recalls, precisions = [0.0, *found.recall], [found.precision[0], *found.precision]
    precision.step(recalls, precisions, where="pre", label=f"{name}: average {average:.3f}")
    right, wrong = group.accepted / group.accept, group.wrongly_accepted / group.reject
    roc.plot(wrong, right, "ko", markersize=4)
    if group.accepted:
        precision.plot(right, group.scores["precision"].mean, "ko", markersize=4)


def _score_histograms(axes: Axes, result: RefusalResult) -> None:
    values: dict[str, list[float]] = {}
    for one in sorted(result.questions, key=lambda one: KINDS.index(one.kind)):
        values.setdefault("to accept" if one.kind == "accept" else f"to refuse, {one.kind}", []).append(one.score)
    _histograms(axes, values)
    served, best = result.threshold.value, result.best_in_sample.value
    axes.axvline(served, color="black", label=f"served threshold {served:g}")
    axes.axvline(best, color="black", linestyle=":", label=f"best in-sample {best:g}")
    axes.set(xlabel="relevance of the best passage", title="Scores")
    axes.legend()


def _histograms(axes: Axes, values: Mapping[str, Sequence[float]]) -> None:
    """Histograms of values from 0 to 1 over one another, each of its own share; the first is of what is wanted."""
    for (label, some), colour in zip(values.items(), _COLOURS, strict=False):
        weights = [1 / len(some)] * len(some) if some else []
        axes.hist(some, bins=_BINS, weights=weights, alpha=0.5, label=f"{label} ({len(some)})", color=colour)
    axes.set(xlim=(0, 1), ylabel="share of the questions in brackets")
    axes.legend()


def _figure(title: str, columns: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(5.5 * columns, 4.5), layout="constrained")
    figure.suptitle(title)
    return figure, [figure.add_subplot(1, columns, place) for place in range(1, columns + 1)]


def _recall_curve(axes: Axes, name: str, queries: Sequence[QueryResult], top_k: int) -> None:
    ks = range(1, top_k + 1)
    found = [bootstrap([recall(query.ranks, k) for query in queries]) for k in ks]
    axes.plot(ks, [one.mean for one in found], marker="o", markersize=3, label=f"{_legible(name)} ({len(queries)})")
    axes.fill_between(ks, [one.low for one in found], [one.high for one in found], alpha=0.15)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _legible(name: str) -> str:
    """`name`, with escapes for what no installed font can show."""
    return name if name.isascii() or _chinese_font() else ascii(name)[1:-1]


def _chinese_font() -> str | None:
    """An installed font that knows Chinese."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in _CHINESE_FONTS if name in installed), None)
