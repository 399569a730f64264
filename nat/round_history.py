"""What is noted of rounds: the front, its hypervolume, the history as arrays and as lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..fronts.indicators import hypervolume, non_dominated
from .nat_runs import NatRound


def relative_hypervolume(points: DoubleArray, largest_cost: float) -> float:
    """Of errors and costs [n, 2], relative to error 1 and the largest cost; in 0..1."""
    return hypervolume(np.stack((points[:, 0], points[:, 1] / largest_cost), axis=1), (1.0, 1.0))


def front_places(points: DoubleArray) -> IntArray:
    """Places of the errors and costs [n, 2] that none dominates, cheapest first."""
    places = np.flatnonzero(non_dominated(points))
    return places[np.argsort(points[places, 1])]


def history_array(history: Sequence[NatRound]) -> DoubleArray:
    """Rounds as numbers, float64 [n, n_fields], NaN for None."""
    rows = [[np.nan if v is None else v for v in astuple(each)] for each in history]
    return np.array(rows, np.float64).reshape(len(rows), len(fields(NatRound)))


def history_of(array: DoubleArray) -> list[NatRound]:
    """The rounds that `history_array` took apart."""
    return [_round_of(row) for row in array.tolist()]


def round_text(each: NatRound, *, noun: str, cost_unit: str) -> str:
    """A round in a line."""
    quality = "" if each.tau is None else f", surrogate tau {each.tau:.2f}, rmse {each.rmse:.4f}"
    return (
        f"round {each.round}: {each.n_subnets} {noun}, {each.n_new} new, best error "
        f"{each.best_error:.4f}, hypervolume of error and {cost_unit} {each.hypervolume:.4f}"
        f"{quality}"
    )


def _round_of(row: list[float]) -> NatRound:
    names = [field.name for field in fields(NatRound)]
    values = {n: None if np.isnan(v) else v for n, v in zip(names, row, strict=True)}
    whole = {name: int(values[name] or 0) for name in ("round", "n_subnets", "n_new")}
    return NatRound(**values | whole)  # type: ignore[arg-type]  # only losses and qualities are None
