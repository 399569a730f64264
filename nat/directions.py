"""Choosing by reference directions, as NSGA-III does: few out of many, spread along the front."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..arrays import DoubleArray, IntArray, frozen
from ..errors import MissingExtraError
from ..search.nsga import ByDirection, Rng

try:
    from pymoo.core.population import Population
    from pymoo.util.ref_dirs.energy import RieszEnergyReferenceDirectionFactory
except ImportError as error:
    raise MissingExtraError("choosing by reference directions", extra="moo") from error

N_DIRECTIONS = 100


def chosen_by_direction(
    objectives: DoubleArray, n: int, *, reference: DoubleArray, rng: Rng
) -> IntArray:
    """Which `n` of the points [m, n_objectives] survive as in NSGA-III, ascending."""
    if len(objectives) <= n:
        return np.arange(len(objectives))
    places = np.arange(len(objectives))[:, None]
    everyone = Population.new("X", places, "F", objectives)
    survivors = ByDirection(reference.copy()).survivors(everyone, n, rng)
    return np.sort(np.asarray(survivors.get("X"), np.int64)[:, 0])


@cache
def riesz_directions(n_objectives: int, n: int) -> DoubleArray:
    """Reference directions spread by the Riesz s-energy, float64 [n, n_objectives].

    Source: J. Blank, K. Deb, Y. Dhebar, S. Bandaru, H. Seada, "Generating Well-Spaced Points on a
    Unit Simplex for Evolutionary Many-Objective Optimization", IEEE Transactions on Evolutionary
    Computation 25(1), 2021, doi 10.1109/TEVC.2020.2992387.
    """
    return frozen(RieszEnergyReferenceDirectionFactory(n_objectives, n, seed=1).do())
