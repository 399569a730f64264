"""Runs a search within a budget, with a history of milestones; `work.drive` does the steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..arrays import DoubleArray, IntArray, frozen
from ..checkpoint import Checkpoint, CheckpointKeeper
from ..errors import SearchError
from ..progress import OnProgress, Progress, unheard
from ..state import State, joined, part_of
from ..work import drive
from .search import Search

Ending: TypeAlias = Literal[
    "evaluations", "seconds", "stagnation", "settled", "finished", "interrupted"
]

# The first milestone, one at every tenth more evaluations, and ten in the time that stagnation is
# given.
FIRST_MILESTONE = 100
HISTORY_GROWTH = 1.1
STAGNATION_CHECKS = 10
# A front has settled when the second half of all evaluations, of at least so many, has let the
# hypervolume grow by no more than this share.
SETTLED_AFTER, SETTLED_GROWTH = 4096, 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When a search ends; what is None does not end it.

    Args:
        evaluations: ends after exactly this many.
        seconds: ends at the first step that ends after so much wall time, earlier runs of the
            same search included.
        stagnation: ends when the hypervolume has not grown for so many evaluations.
        settles: ends when the front has settled: the second half of at least 4,096 evaluations
            has let the hypervolume grow by 0.01 % or less.

    Raises:
        SearchError: a limit is not positive.
    """

    evaluations: int | None = None
    seconds: float | None = None
    stagnation: int | None = None
    settles: bool = False

    def __post_init__(self) -> None:
        limits = (("evaluations", self.evaluations), ("seconds", self.seconds))
        faults = [
            f"{name} must be positive, got {limit:g}"
            for name, limit in (*limits, ("stagnation", self.stagnation))
            if limit is not None and not limit > 0
        ]
        if faults:
            raise SearchError(*faults, where="budget")


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """How far a search had come: evaluations, wall time in seconds, hypervolume."""

    evaluations: int
    seconds: float
    hypervolume: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a search found, and how.

    Args:
        genomes: int64 [n, n_genes], ordered by the first objective.
        objectives: float64 [n, n_objectives], mutually non-dominated.
        n_evaluations: evaluations spent.
        seconds: wall time, earlier runs of a resumed search included.
        history: milestones at geometrically growing numbers of evaluations, and the end.
        ended: what ended it.
    """

    genomes: IntArray
    objectives: DoubleArray
    n_evaluations: int
    seconds: float
    history: tuple[Milestone, ...]
    ended: Ending

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.ended == "interrupted"


def run(
    search: Search,
    *,
    budget: Budget,
    hypervolume: Callable[[DoubleArray], float],
    name: str = "searching",
    n_expected: int | None = None,
    on_progress: OnProgress = unheard,
    checkpoint: Checkpoint | None = None,
) -> Outcome:
    """Runs a search until its budget is spent, it is finished, or Ctrl-C.

    Ctrl-C lets the step under way end; a second one breaks it off. Either way what was found is
    returned. Given the search and its seed, all of the outcome but the seconds depends on the
    budget's evaluations and stagnation alone, however often the run was stopped and resumed.

    Args:
        search: what to run; it is advanced in place.
        budget: when to end.
        hypervolume: of the archive's objectives [n, n_objectives], recorded in the history.
        name: what progress is told of.
        n_expected: evaluations that the search ends by itself after; None: nobody knows.
        on_progress: see `work.drive`; tells the last recorded hypervolume.
        checkpoint: where the run is stored, and whether it resumes from there.

    Raises:
        SearchError: the checkpoint is not one of this search.
    """
    log = _Log(search, budget, hypervolume)
    work = _SearchWork(search, log, name=name, n_expected=n_expected or budget.evaluations)
    keeper = None if checkpoint is None else CheckpointKeeper(checkpoint=checkpoint, of=work)
    try:
        drive(work, keeper=keeper, on_progress=on_progress)
    except KeyboardInterrupt:
        return log.outcome("interrupted")
    return log.outcome(log.ending() or "finished")


def has_settled(milestones: Sequence[Milestone]) -> bool:
    """Whether the front has settled, see `Budget`, at the last of the milestones."""
    if not milestones or milestones[-1].evaluations < SETTLED_AFTER:
        return False
    end = milestones[-1]
    half = [m.hypervolume for m in milestones if 2 * m.evaluations <= end.evaluations]
    return bool(half) and end.hypervolume - half[-1] <= SETTLED_GROWTH * end.hypervolume


class _SearchWork:
    """A search within its budget, as work; see `work.Work` and `checkpoint.Restorable`."""

    def __init__(self, search: Search, log: _Log, *, name: str, n_expected: int | None) -> None:
        self._search = search
        self._log = log
        self._name = name
        self._n_expected = n_expected

    @property
    def finished(self) -> bool:
        return self._log.ending() is not None

    @property
    def progress(self) -> Progress:
        newest, limit_s = self._log.newest, self._log.limit_s
        done, total, unit = newest.evaluations, self._n_expected, "evaluations"
        if total is None and limit_s is not None:
            done, total, unit = newest.seconds, limit_s, "s"
        return Progress(
            what=self._name,
            done=done,
            total=done if self.finished else total,
            unit=unit,
            text=f"hypervolume {newest.hypervolume:.4f}" if newest.hypervolume else "",
        )

    @property
    def resumable(self) -> bool:
        return self._search.resumable

    def step(self) -> None:
        self._search.step(self._log.limit())
        self._log.record_if_due()

    def state(self) -> State:
        return joined({"search": self._search.state(), "log": self._log.state()})

    def restore(self, state: State) -> None:
        self._search.restore(part_of(state, "search"))
        self._log.restore(part_of(state, "log"))


class _Log:
    """The books of a run: time, milestones, stagnation."""

    def __init__(
        self, search: Search, budget: Budget, hypervolume: Callable[[DoubleArray], float]
    ) -> None:
        self._search = search
        self._budget = budget
        self._hypervolume = hypervolume
        self._started = time.perf_counter()
        self._due = FIRST_MILESTONE
        if budget.stagnation is not None:
            self._due = min(self._due, budget.stagnation)
        self._grown_at = 0
        self._best = 0.0
        self._milestones: list[Milestone] = []

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    @property
    def limit_s(self) -> float | None:
        return self._budget.seconds

    @property
    def newest(self) -> Milestone:
        return self._milestone(self._milestones[-1].hypervolume if self._milestones else 0.0)

    def ending(self) -> Ending | None:
        n, budget = self._search.n_evaluations, self._budget
        if self._search.finished:
            return "finished"
        if budget.evaluations is not None and n >= budget.evaluations:
            return "evaluations"
        if budget.seconds is not None and self.seconds >= budget.seconds:
            return "seconds"
        if budget.stagnation is not None and self._stagnant_for() >= budget.stagnation:
            return "stagnation"
        return "settled" if budget.settles and has_settled(self._milestones) else None

    def limit(self) -> int:
        # A step ends where a milestone is due, so that milestones stand at the same numbers of
        # evaluations however the run was cut.
        end = self._due
        if self._budget.evaluations is not None:
            end = min(end, self._budget.evaluations)
        return end - self._search.n_evaluations

    def record_if_due(self) -> None:
        n = self._search.n_evaluations
        if n < self._due:
            return
        volume = self._volume()
        if volume > self._best:
            self._best, self._grown_at = volume, n
        self._milestones.append(self._milestone(volume))
        self._due = max(n + 1, math.ceil(n * HISTORY_GROWTH))
        if self._budget.stagnation is not None:
            self._due = min(self._due, n + max(1, self._budget.stagnation // STAGNATION_CHECKS))

    def outcome(self, ended: Ending) -> Outcome:
        archive = self._search.archive
        history = self._milestones
        if not history or history[-1].evaluations < self._search.n_evaluations:
            history = [*history, self._milestone(self._volume())]
        return Outcome(
            genomes=frozen(archive.genomes),
            objectives=frozen(archive.objectives),
            n_evaluations=self._search.n_evaluations,
            seconds=self.seconds,
            history=tuple(history),
            ended=ended,
        )

    def state(self) -> State:
        rows = [(m.evaluations, m.seconds, m.hypervolume) for m in self._milestones]
        return {
            "seconds": np.array(self.seconds),
            "due": np.array(self._due),
            "grown_at": np.array(self._grown_at),
            "best": np.array(self._best),
            "milestones": np.array(rows, np.float64).reshape(-1, 3),
        }

    def restore(self, state: State) -> None:
        self._started = time.perf_counter() - float(state["seconds"])
        self._due = int(state["due"])
        self._grown_at = int(state["grown_at"])
        self._best = float(state["best"])
        self._milestones = [
            Milestone(evaluations=int(n), seconds=float(s), hypervolume=float(h))
            for n, s, h in state["milestones"]
        ]

    def _milestone(self, volume: float) -> Milestone:
        n = self._search.n_evaluations
        return Milestone(evaluations=n, seconds=self.seconds, hypervolume=volume)

    def _volume(self) -> float:
        return self._hypervolume(self._search.archive.objectives)

    def _stagnant_for(self) -> int:
        last = self._milestones[-1].evaluations if self._milestones else 0
        return last - self._grown_at
