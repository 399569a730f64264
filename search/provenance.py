"""What a front says of the search that found it."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import numpy as np

from ..arrays import DoubleArray
from ..version import __version__
from .algorithms import Setup
from .loop import Outcome


def provenance(outcome: Outcome, setup: Setup, reference: DoubleArray) -> dict[str, Any]:
    """How the search went, and what a reader needs to judge its result.

    Args:
        outcome: of the search.
        setup: of the search.
        reference: [n_objectives], what the hypervolumes of the history are relative to.
    """
    return {
        "evaluations": outcome.n_evaluations,
        "wall_s": round(outcome.seconds, 3),
        "ended": outcome.ended,
        "best_single_model": _best_single_model(setup),
        "versions": versions(),
        "hypervolume": {
            "reference": reference.tolist(),
            "history": [
                [m.evaluations, round(m.seconds, 3), m.hypervolume] for m in outcome.history
            ],
        },
    }


def versions() -> dict[str, str]:
    """The versions that a search's result could depend on."""
    packages = {name: version(name) for name in ("numpy", "numba")}
    return {"encas": __version__, "python": platform.python_version(), **packages}


def _best_single_model(setup: Setup) -> str:
    """The model with the smallest error on the search split, of equals the cheapest."""
    n_models, n_samples = setup.pool.n_models, setup.pool.n_samples
    members = np.full((n_models, setup.max_members), -1)
    members[:, 0] = np.arange(n_models)
    thresholds = np.zeros((n_models, setup.max_members - 1), np.int64)
    error, cost = setup.error, setup.costs[0]
    counts = setup.evaluator.count(members, thresholds, with_predicted=error.needs_predicted)
    errors, costs = (o.values(members, counts, n_samples=n_samples) for o in (error, cost))
    return setup.pool.names[int(np.lexsort((costs, errors))[0])]
