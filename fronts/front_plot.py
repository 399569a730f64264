"""`plot_front`: fronts, and the single models of a pool, in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..arrays import DoubleArray
from ..cascade import Cascade
from ..errors import FrontError
from ..evaluate.objectives import cost_objective, error_objective
from ..latency import LatencyProfile, given_profile
from ..pools.pool import Pool, given_pool
from .front import Front, given_front
from .scored_cascade import points_of
from .scoring import score

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_front(
    *fronts: Front | str | Path,
    pool: Pool | str | Path | None = None,
    profile: LatencyProfile | str | Path | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws fronts as papers do: cost on a logarithmic axis, accuracy upwards.

    Args:
        *fronts: of the same cost; one line for each.
        pool: its single models are drawn as dots.
        profile: measured times of these models, for latency fronts.
        ax: what to draw on; by default a new figure.

    Returns:
        The matplotlib Axes, to be changed or saved: `plot_front(front).figure.savefig("f.png")`.

    Raises:
        FrontError: there is no front, or they have different costs.
        PoolError, ProfileError: the pool's models have no such cost.
        MissingExtraError: matplotlib is not installed.
    """
    drawn = [given_front(front) for front in fronts]
    _check(drawn)
    from .front_drawing import draw_fronts  # noqa: PLC0415 - matplotlib is optional

    if pool is None:
        return draw_fronts(drawn, ax=ax)
    held = given_pool(pool)
    return draw_fronts(
        drawn,
        singles=_single_models(drawn[0], held, given_profile(profile)),
        singles_name=f"single models on {held.name}",
        ax=ax,
    )


def _check(fronts: Sequence[Front]) -> None:
    if not fronts:
        raise FrontError("there is nothing to plot: give at least one front")
    kinds = {(front.objectives[1], front.batch_size, front.metric) for front in fronts}
    if len(kinds) > 1:
        told = ", ".join(f"{cost} (batch size {size}, {metric})" for cost, size, metric in kinds)
        raise FrontError(f"fronts in one picture must have the same cost and metric, got {told}")


def _single_models(front: Front, pool: Pool, profile: LatencyProfile | None) -> DoubleArray:
    """Error and cost of every model of the pool, measured as the front's are."""
    cost = cost_objective(front.objectives[1], pool, profile=profile, batch_size=front.batch_size)
    alone = [Cascade(members=(name,), thresholds=()) for name in pool.names]
    scored = score(alone, pool, error_objective(front.metric, pool), [cost])
    return points_of(scored)
