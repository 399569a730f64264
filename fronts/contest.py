"""What a comparison's runs say: hypervolumes, distances to the best front, paired tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from typing import Any, Literal, TypeAlias

import numpy as np

from ..arrays import DoubleArray
from ..errors import MissingExtraError, SearchError
from .contest_run import ContestRun
from .front import Front
from .indicators import hypervolume, igd_plus

try:
    from scipy.stats import wilcoxon
except ImportError as error:
    raise MissingExtraError("comparisons", extra="search") from error

Axis: TypeAlias = Literal["evaluations", "seconds"]
N_CURVE_POINTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one run reached.

    Args:
        seed: its seed.
        hypervolume: of its front on the search split, relative to the reference point.
        tested: hypervolume of the same cascades on the test split, None without one.
        igd_plus: distance to the exact front, in units of the reference, None without one.
        n_cascades: cascades of its front.
        evaluations: spent.
        seconds: wall time.
    """

    seed: int
    hypervolume: float
    tested: float | None
    igd_plus: float | None
    n_cascades: int
    evaluations: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """Hypervolume over evaluations or seconds, over the runs of an algorithm.

    Args:
        x: float64 [n].
        median, worst, best: float64 [n], at x.
    """

    x: DoubleArray
    median: DoubleArray
    worst: DoubleArray
    best: DoubleArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """Wilcoxon's signed-rank test of one algorithm against another, paired by seed.

    Args:
        first, second: their names.
        n_pairs: seeds.
        median_difference: of hypervolume, first minus second.
        p_two_sided: of the hypothesis that neither is better.
        p_greater: of the hypothesis that the first is not better.
    """

    first: str
    second: str
    n_pairs: int
    median_difference: float
    p_two_sided: float
    p_greater: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contest:
    """The result of a comparison.

    Args:
        pool: the search split's name.
        test: the test split's, None without one.
        reference: error and cost beyond which nothing counts; hypervolumes are shares of its box.
        exact: hypervolume of the exact front, None where it is not known.
        scores: by algorithm, in the order of the plan.
        curves: by axis and algorithm.
        duels: every ordered pair of algorithms, on the search split.
        tested_duels: the same on the test split, none without one.
    """

    pool: str
    test: str | None
    reference: tuple[float, float]
    exact: float | None
    scores: dict[str, tuple[Score, ...]]
    curves: dict[Axis, dict[str, Curve]]
    duels: tuple[Duel, ...]
    tested_duels: tuple[Duel, ...]

    def to_json(self) -> dict[str, Any]:
        """The contest as a JSON object of the format `encas.comparison`, version 1."""
        return {
            "format": "encas.comparison",
            "version": 1,
            "pool": self.pool,
            "test": self.test,
            "reference": list(self.reference),
            "exact_hypervolume": self.exact,
            "algorithms": [
                {"name": name, "summary": summary_of(scores), "runs": [asdict(s) for s in scores]}
                for name, scores in self.scores.items()
            ],
            "curves": {
                axis: {name: _curve_json(curve) for name, curve in curves.items()}
                for axis, curves in self.curves.items()
            },
            "duels": [asdict(duel) for duel in self.duels],
            "tested_duels": [asdict(duel) for duel in self.tested_duels],
        }


def contest_of(runs: Sequence[ContestRun], *, exact: Front | None = None) -> Contest:
    """Evaluates the runs of a comparison.

    Args:
        runs: all of one pool, objective and reference point.
        exact: the front that no search can beat on that pool; by default that of a run of the
            algorithm exact which came to its end, if there is one.

    Raises:
        SearchError: the exact front is of another pool or another objective.
    """
    first = runs[0].front
    reference = np.array(first.search["hypervolume"]["reference"], np.float64)
    exact = exact or next((run.front for run in runs if _is_exact(run)), None)
    if exact is not None:
        _check_exact(exact, first)
    names = list(dict.fromkeys(run.algorithm for run in runs))
    scores = {
        name: tuple(_score(run, reference, exact) for run in runs if run.algorithm == name)
        for name in names
    }
    found = {name: [s.hypervolume for s in row] for name, row in scores.items()}
    tested = {name: [s.tested for s in row if s.tested is not None] for name, row in scores.items()}
    histories = {
        name: [run.front.search["hypervolume"]["history"] for run in runs if run.algorithm == name]
        for name in names
    }
    return Contest(
        pool=first.pool.name,
        test=runs[0].tested.pool.name if runs[0].tested else None,
        reference=(float(reference[0]), float(reference[1])),
        exact=_volume(exact, reference) if exact else None,
        scores=scores,
        curves={axis: curves_of(histories, axis) for axis in ("evaluations", "seconds")},
        duels=duels_of(found),
        tested_duels=duels_of(tested) if runs[0].tested else (),
    )


def summary_of(scores: Sequence[Score]) -> dict[str, float | None]:
    """Medians over the runs of an algorithm, with the worst and the best hypervolume."""
    found = [score.hypervolume for score in scores]
    tested = [score.tested for score in scores if score.tested is not None]
    behind = [score.igd_plus for score in scores if score.igd_plus is not None]
    return {
        "hypervolume_median": float(np.median(found)),
        "hypervolume_worst": min(found),
        "hypervolume_best": max(found),
        "tested_median": float(np.median(tested)) if tested else None,
        "tested_worst": min(tested) if tested else None,
        "tested_best": max(tested) if tested else None,
        "igd_plus_median": float(np.median(behind)) if behind else None,
        "evaluations_median": float(np.median([score.evaluations for score in scores])),
        "seconds_median": float(np.median([score.seconds for score in scores])),
    }


def duels_of(found: Mapping[str, Sequence[float]]) -> tuple[Duel, ...]:
    """Wilcoxon tests of every ordered pair; an algorithm without seeds meets every seed."""
    return tuple(_duel(a, found[a], b, found[b]) for a, b in permutations(found, 2))


def curves_of(histories: Mapping[str, Sequence[Any]], axis: Axis) -> dict[str, Curve]:
    """Median, worst and best hypervolume over one axis for each algorithm.

    Args:
        histories: for each algorithm and run, rows of evaluations, seconds and hypervolume.
        axis: what to draw them over; a run keeps its last value after its end.
    """
    column = ("evaluations", "seconds").index(axis)
    tables = {name: [np.array(h, np.float64) for h in runs] for name, runs in histories.items()}
    every = np.concatenate([table[:, column] for runs in tables.values() for table in runs])
    x = np.geomspace(max(every.min(), 1e-3), max(every.max(), 2e-3), N_CURVE_POINTS)
    return {name: _curve(x, runs, column) for name, runs in tables.items()}


def _curve(x: DoubleArray, runs: Sequence[DoubleArray], column: int) -> Curve:
    rows: list[DoubleArray] = []
    for table in runs:
        # The last milestone up to x; nothing was found before the first one.
        place = np.searchsorted(table[:, column], x * (1 + 1e-9), side="right")
        rows.append(np.concatenate(([0.0], table[:, 2]))[place])
    values = np.stack(rows)
    return Curve(
        x=x, median=np.median(values, axis=0), worst=values.min(axis=0), best=values.max(axis=0)
    )


def _score(run: ContestRun, reference: DoubleArray, exact: Front | None) -> Score:
    search, points = run.front.search, run.front.points
    return Score(
        seed=run.seed,
        hypervolume=_volume(run.front, reference),
        tested=_volume(run.tested, reference) if run.tested else None,
        igd_plus=igd_plus(points, exact.points, reference.tolist()) if exact else None,
        n_cascades=len(points),
        evaluations=search["evaluations"],
        seconds=search["wall_s"],
    )


def _volume(front: Front, reference: DoubleArray) -> float:
    return hypervolume(front.points / reference, (1.0, 1.0))


def _duel(first: str, a: Sequence[float], second: str, b: Sequence[float]) -> Duel:
    n = max(len(a), len(b))
    difference = np.broadcast_to(a, n) - np.broadcast_to(b, n)
    two_sided = greater = 1.0
    if difference.any():
        two_sided = _wilcoxon(difference, "two-sided")
        greater = _wilcoxon(difference, "greater")
    return Duel(
        first=first,
        second=second,
        n_pairs=n,
        median_difference=float(np.median(difference)),
        p_two_sided=two_sided,
        p_greater=greater,
    )


def _wilcoxon(difference: DoubleArray, alternative: str) -> float:
    result: Any = wilcoxon(difference, alternative=alternative)
    return float(result.pvalue)


def _is_exact(run: ContestRun) -> bool:
    return run.algorithm == "exact" and run.front.search["ended"] == "finished"


def _check_exact(exact: Front, found: Front) -> None:
    expected = (found.pool.sha256, found.objectives, found.metric)
    got = (exact.pool.sha256, exact.objectives, exact.metric)
    if got != expected:
        raise SearchError(
            f"the exact front must be of the same pool, objectives and metric: expected "
            f"{expected}, got {got}"
        )


def _curve_json(curve: Curve) -> dict[str, list[float]]:
    return {name: getattr(curve, name).tolist() for name in ("x", "median", "worst", "best")}
