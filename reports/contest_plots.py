"""Pictures of a comparison, as PNG."""

from __future__ import annotations

import io
from typing import Any

from ..errors import MissingExtraError
from ..fronts.contest import Axis, Contest, Score

try:
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingExtraError("plots of a comparison", extra="report") from error

# Colours that stay apart for the colour-blind: P. Tol, "Colour Schemes", 2021 ("bright", "muted").
COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#aa3377", "#66ccee", "#ccbb44",
    "#332288", "#999933", "#882255", "#44aa99", "#bbbbbb", "#000000",
)  # fmt: skip
SIZE_INCHES = (8.0, 4.8)
DPI = 150
X_LABELS: dict[Axis, str] = {"evaluations": "evaluations", "seconds": "wall time in seconds"}


def plots_of(contest: Contest) -> dict[str, bytes]:
    """PNG files by name: hypervolume over evaluations, over time, and of all final fronts."""
    plots = {
        "hypervolume-over-evaluations.png": _curves(contest, "evaluations"),
        "hypervolume-over-time.png": _curves(contest, "seconds"),
        "hypervolume-by-algorithm.png": _finals(contest),
    }
    return {name: _png(figure) for name, figure in plots.items()}


def _curves(contest: Contest, axis: Axis) -> Figure:
    figure, axes = _figure(X_LABELS[axis], f"hypervolume on {contest.pool}")
    axes.set_xscale("log")
    for colour, (name, curve) in zip(_colours(contest), contest.curves[axis].items(), strict=True):
        axes.plot(curve.x, curve.median, color=colour, label=name, drawstyle="steps-post")
        band = {"color": colour, "alpha": 0.15, "linewidth": 0, "step": "post"}
        axes.fill_between(curve.x, curve.worst, curve.best, **band)
    _draw_exact(axes, contest)
    # Where everything is still close to nothing there is nothing to see.
    finals = [min(score.hypervolume for score in scores) for scores in contest.scores.values()]
    axes.set_ylim(bottom=0.9 * min(finals))
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _finals(contest: Contest) -> Figure:
    figure, axes = _figure("hypervolume", "")
    for row, (colour, scores) in enumerate(
        zip(_colours(contest), contest.scores.values(), strict=True)
    ):
        _draw_runs(axes, row, scores, colour)
    _draw_exact(axes, contest, vertical=True)
    axes.set_yticks(range(len(contest.scores)), list(contest.scores))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    note = f"filled: {contest.pool}" + (f"; hollow: {contest.test}" if contest.test else "")
    axes.set_title(note, loc="left", fontsize=9)
    return figure


def _draw_runs(axes: Any, row: int, scores: tuple[Score, ...], colour: str) -> None:
    found = [score.hypervolume for score in scores]
    axes.plot(found, [row - 0.12] * len(found), "o", color=colour, markersize=5)
    tested = [score.tested for score in scores if score.tested is not None]
    axes.plot(tested, [row + 0.12] * len(tested), "o", color=colour, markersize=5, fillstyle="none")


def _draw_exact(axes: Any, contest: Contest, *, vertical: bool = False) -> None:
    if contest.exact is not None:
        draw = axes.axvline if vertical else axes.axhline
        draw(contest.exact, color="black", linestyle="--", linewidth=1, label="exact front")


def _figure(x_label: str, y_label: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(visible=True, color="#e6e5e1")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _colours(contest: Contest) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(len(contest.scores))]


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
