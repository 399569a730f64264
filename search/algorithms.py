"""The algorithms by name: each makes a `Search` of one common setup."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..arrays import IntArray
from ..cascade import Cascade, Confidence
from ..errors import SearchError
from ..evaluate.contenders import Contenders
from ..evaluate.counts import Evaluator
from ..evaluate.genome import decode
from ..evaluate.objectives import Error, LatencyCost, LinearCost
from ..evaluate.sweep_prices import prices_of, weightings
from ..evaluate.sweeper import LONGEST, Sweeper
from ..pools.pool import Pool
from .cascade_problem import CascadeProblem
from .ensemble import EnsembleProblem, with_thresholds
from .exact import ExactSearch, check_work
from .gomea import MoGomea
from .greedy import STREETER, GreedySearch, Rule, cascades_of_bits
from .grid import SequenceGrid, cascade_grid, ensemble_grid
from .listing import ListedSearch, Listing
from .problem import Problem
from .random_draw import RandomDraw
from .search import AskTellSearch, Search
from .strategy import Strategy
from .sweep import SweepSearch, single_objectives

Mode: TypeAlias = Literal["cascade", "ensemble"]

# Not an algorithm: the best one for the pool and the options, see automatic.py.
AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setup:
    """What every algorithm gets.

    Args:
        pool: the stored outputs.
        evaluator: counts for cascades of the pool.
        error: the first objective.
        costs: the cost objectives.
        max_members: K.
        seed: the same seed gives the same front, on any number of threads.
        contenders: the compressed pool, None where the confidence needs all classes.
        confidence: what thresholds are compared with.
        mode: "ensemble" fixes all thresholds at 1.
        start: int64 [n, 2K - 1], genomes to start from, None for none.
        n_threads: threads to work on, None for all processors.
    """

    pool: Pool
    evaluator: Evaluator
    error: Error
    costs: Sequence[LinearCost | LatencyCost]
    max_members: int
    seed: int
    contenders: Contenders | None = None
    confidence: Confidence = "max_probability"
    mode: Mode = "cascade"
    start: IntArray | None = None
    n_threads: int | None = None

    @property
    def problem(self) -> Problem:
        """Genomes in, error and costs out."""
        problem = CascadeProblem(
            self.evaluator,
            self.error,
            self.costs,
            n_models=self.pool.n_models,
            max_members=self.max_members,
        )
        return EnsembleProblem(problem) if self.mode == "ensemble" else problem

    def cascade_genomes(self, genomes: IntArray) -> IntArray:
        """The genomes [n, 2K - 1] that genomes of `problem` stand for."""
        return with_thresholds(genomes) if self.mode == "ensemble" else genomes

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator of the seed."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """An algorithm of the table below.

    Args:
        make: makes a search; it may refuse a setup with a SearchError.
        modes: what it can search for.
        read: the cascades of genomes of its archive, None where they are those of
            `Setup.problem`.
        is_random: whether the seed makes a difference.
        default_evaluations: where no limit is given; None where it ends by itself.
        settles: whether, where no limit is given, it ends when its front has settled.
        takes_start: whether it can start from given cascades.
    """

    make: Callable[[Setup], Search]
    modes: tuple[Mode, ...] = ("cascade", "ensemble")
    read: Callable[[Setup, IntArray], list[Cascade]] | None = None
    is_random: bool = True
    default_evaluations: int | None = 100_000
    settles: bool = False
    takes_start: bool = False


def _ask_tell(make: Callable[..., Strategy]) -> Algorithm:
    def search(setup: Setup) -> Search:
        problem = setup.problem
        return AskTellSearch(problem, make(problem, rng=setup.rng))

    return Algorithm(make=search, settles=True)


def _mo_gomea(setup: Setup) -> Search:
    problem = setup.problem
    return AskTellSearch(problem, MoGomea(problem, rng=setup.rng, start=setup.start))


def _nsga2(problem: Problem, *, rng: np.random.Generator) -> Strategy:
    from .nsga import Nsga2  # noqa: PLC0415 - needs the extra moo

    return Nsga2(problem, rng=rng)


def _nsga3(problem: Problem, *, rng: np.random.Generator) -> Strategy:
    from .nsga import Nsga3  # noqa: PLC0415 - needs the extra moo

    return Nsga3(problem, rng=rng)


def _grid(setup: Setup) -> Search:
    n_models, max_members = setup.pool.n_models, setup.max_members
    listing: Listing = ensemble_grid(n_models, max_members)
    if setup.mode == "cascade":
        listing = cascade_grid(n_models, max_members, setup.rng)
    return ListedSearch(setup.problem, listing)


def _single(setup: Setup) -> Search:
    n_models, max_members = setup.pool.n_models, setup.max_members
    singles = SequenceGrid(n_models=n_models, n_members=1, max_members=max_members)
    return ListedSearch(setup.problem, singles)


def _exact(setup: Setup) -> Search:
    if len(setup.costs) > 1:
        raise SearchError("exact fronts have one cost; use --algorithm sweep for several")
    n_models, max_members = setup.pool.n_models, setup.max_members
    (sweeper,) = _sweepers(setup, "exact", [(1.0,)])
    check_work(n_models, max_members, n_samples=setup.pool.n_samples)
    return ExactSearch(setup.problem, sweeper, n_models=n_models, max_members=max_members)


def _sweep(setup: Setup) -> Search:
    n_models, max_members = setup.pool.n_models, setup.max_members
    singles = single_objectives(setup.problem, n_models, max_members)
    return SweepSearch(
        setup.problem,
        _sweepers(setup, "sweep", weightings(singles[:, 1:])),
        singles=singles,
        max_members=max_members,
        rng=setup.rng,
        start=None if setup.start is None else decode(setup.start)[0],
    )


def _sweepers(
    setup: Setup, algorithm: str, weights: Sequence[tuple[float, ...]]
) -> Sequence[Sweeper]:
    contenders = setup.contenders
    faults: list[str] = []
    if setup.error.needs_predicted:
        faults.append("it counts right answers, so the metric must be top1")
    if contenders is None:
        faults.append(f"it cannot use the confidence {setup.confidence}")
    if setup.max_members > LONGEST:
        faults.append(f"it sweeps at most {LONGEST} members, got {setup.max_members}")
    if faults or contenders is None:
        raise SearchError(*faults, "use --algorithm mo-gomea", where=algorithm)
    pool = setup.pool
    return [
        Sweeper(
            contenders,
            prices_of(setup.costs, w, n_models=pool.n_models, n_samples=pool.n_samples),
            confidence=setup.confidence,
            n_threads=setup.n_threads,
        )
        for w in weights
    ]


def _streeter(setup: Setup) -> Rule:
    if setup.confidence not in ("max_probability", STREETER.confidence):
        fault = f"greedy compares logit gaps, got --confidence {setup.confidence}; use greedy-mean"
        raise SearchError(fault)
    return STREETER


def _averaging(setup: Setup) -> Rule:
    return Rule(confidence=setup.confidence, combine="mean")


def _greedy(rule: Callable[[Setup], Rule]) -> Algorithm:
    def search(setup: Setup) -> Search:
        if setup.error.needs_predicted:
            raise SearchError("greedy counts right answers: the metric must be top1")
        return GreedySearch(
            setup.pool,
            error=setup.error,
            costs=setup.costs,
            max_members=setup.max_members,
            rule=rule(setup),
        )

    def read(setup: Setup, genomes: IntArray) -> list[Cascade]:
        return cascades_of_bits(genomes, setup.pool.names, rule(setup))

    return Algorithm(make=search, modes=("cascade",), read=read, is_random=False)


ALGORITHMS: Mapping[str, Algorithm] = {
    "exact": Algorithm(
        make=_exact, modes=("cascade",), is_random=False, default_evaluations=None, takes_start=True
    ),
    "greedy": _greedy(_streeter),
    "greedy-mean": _greedy(_averaging),
    "grid": Algorithm(make=_grid),
    "mo-gomea": Algorithm(make=_mo_gomea, settles=True, takes_start=True),
    "nsga2": _ask_tell(_nsga2),
    "nsga3": _ask_tell(_nsga3),
    "random": _ask_tell(RandomDraw),
    "single": Algorithm(make=_single, modes=("cascade",), is_random=False),
    "sweep": Algorithm(make=_sweep, modes=("cascade",), settles=True, takes_start=True),
}
