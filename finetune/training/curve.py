"""The loss of a run over its steps, drawn."""

from collections.abc import Sequence
from pathlib import Path

_SMOOTHING = 0.9


def draw_losses(losses: Sequence[tuple[int, float]], path: Path) -> None:
    """A PNG of (step, loss), and their exponential mean; nothing for no steps."""
    if not losses:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps = [step for step, _ in losses]
    axes.plot(steps, [loss for _, loss in losses], color="#9bb8d3", linewidth=0.8, label="loss")
    axes.plot(steps, smoothed([loss for _, loss in losses]), color="#1f4e79", linewidth=1.6, label="mean")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    figure.savefig(path.with_suffix(".tmp"), format="png", dpi=110)
    path.with_suffix(".tmp").replace(path)


def smoothed(values: Sequence[float]) -> list[float]:
    """Exponential means, without the pull of a first value (Kingma and Ba, 2015: the correction of the bias)."""
    result: list[float] = []
    mean = 0.0
    for number, value in enumerate(values, 1):
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * value
        result.append(mean / (1 - _SMOOTHING**number))
    return result
