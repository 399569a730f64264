"""Draws fronts with matplotlib, as papers show them: cost on a log axis, accuracy upwards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import DoubleArray
from ..errors import FrontError, MissingExtraError
from .front_labels import PicturedFront, cost_label, distinct_names, quality_label

try:
    from matplotlib import pyplot
    from matplotlib.axes import Axes
except ImportError as error:
    raise MissingExtraError("a plot of fronts", extra="report") from error

SIZE_INCHES = (7.0, 4.4)


def draw_fronts(
    fronts: Sequence[PicturedFront],
    *,
    singles: DoubleArray | None = None,
    singles_name: str = "single models",
    ax: Axes | None = None,
) -> Axes:
    """Draws fronts of one cost as lines, and single models as dots.

    Args:
        fronts: at least one; a step of a line holds until the next cascade, which costs more.
        singles: error and cost of single models, float64 [n_models, 2].
        singles_name: what the legend calls them.
        ax: what to draw on; by default a new figure.

    Raises:
        FrontError: a front has no cascades.
    """
    empty = [front.pool.name for front in fronts if not front.cascades]
    if empty:
        raise FrontError(f"the front on {', '.join(empty)} has no cascades to plot")
    if ax is None:
        _, ax = pyplot.subplots(figsize=SIZE_INCHES, layout="constrained")
    if singles is not None:
        error, cost = singles.T
        ax.plot(cost, 1 - error, "o", color="0.6", markersize=4, label=singles_name)
    for front, name in zip(fronts, distinct_names(fronts), strict=True):
        # On another pool than the one searched, a front keeps its order, not that of the costs.
        error, cost = front.points[np.argsort(front.points[:, 1], kind="stable")].T
        ax.plot(cost, 1 - error, ".-", drawstyle="steps-post", markersize=4, label=name)
    drawn = [
        *(front.points[:, 1] for front in fronts),
        *([] if singles is None else [singles[:, 1]]),
    ]
    # A logarithm needs positive costs: a model that costs nothing would not be seen.
    if all((costs > 0).all() for costs in drawn):
        ax.set_xscale("log")
    ax.set_xlabel(cost_label(fronts[0]))
    ax.set_ylabel(quality_label(fronts[0]))
    ax.grid(visible=True, color="0.9")
    ax.set_axisbelow(True)
    ax.legend(loc="lower right", frameon=False)
    return ax
