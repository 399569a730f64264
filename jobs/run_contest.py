"""Comparisons: several algorithms, each with several seeds, on one pool with one budget.

Every run is a front in the folder `runs`, written as soon as it is there: a comparison that was
stopped goes on with the runs that are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..class_names import OnNote, unnoted
from ..errors import SearchError
from ..fronts.contest_run import ContestRun
from ..fronts.front import Front
from ..fronts.scoring import evaluate_front
from ..latency import LatencyProfile
from ..pools.pool import Pool
from ..pools.pool_classes import class_names_of, in_classes_of
from ..progress import OnProgress, counted, unheard
from ..search.algorithms import ALGORITHMS
from ..search.finder import search_pool
from ..search.options import SearchOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ContestPlan:
    """What is compared.

    Args:
        algorithms: names of `algorithms.ALGORITHMS`, each once.
        seeds: each once; an algorithm that is not random runs with the first alone.
        options: budget and objectives of every run; its algorithm and seed are not used.

    Raises:
        SearchError: names every fault of the values.
    """

    algorithms: tuple[str, ...]
    seeds: tuple[int, ...]
    options: SearchOptions

    def __post_init__(self) -> None:
        faults: list[str] = []
        for name, values in (("algorithms", self.algorithms), ("seeds", self.seeds)):
            if not values or len(set(values)) < len(values):
                faults.append(f"{name} must be different ones, at least one, got {values}")
        if len(self.options.objectives) > 1:
            faults.append("a comparison is of two objectives, the error and one cost")
        faults += [
            f"algorithm must be one of {', '.join(sorted(ALGORITHMS))}, got {name!r}"
            for name in self.algorithms
            if name not in ALGORITHMS
        ]
        if faults:
            raise SearchError(*faults, where="comparison")
        # Makes, and so checks, the options of every run before the first one starts.
        list(self.runs())

    def runs(self) -> Iterator[SearchOptions]:
        """The options of each run, seed by seed."""
        for seed in self.seeds:
            for algorithm in self.algorithms:
                if ALGORITHMS[algorithm].is_random or seed == self.seeds[0]:
                    yield replace(self.options, algorithm=algorithm, seed=seed)


def seeds_of(text: str) -> tuple[int, ...]:
    """The seeds that "1..10", "7" or "1,2,5..7" stand for.

    Raises:
        SearchError: it is something else.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dots, last = part.partition("..")
        try:
            seeds += range(int(first), int(last if dots else first) + 1)
        except ValueError as cause:
            fault = f'seeds are numbers and ranges such as "1..10" or "1,2,5", got {text!r}'
            raise SearchError(fault) from cause
    return tuple(seeds)


def run_plan(
    pool: Pool,
    plan: ContestPlan,
    *,
    folder: Path,
    test: Pool | None = None,
    profile: LatencyProfile | None = None,
    on_note: OnNote = unnoted,
    on_progress: OnProgress = unheard,
) -> list[ContestRun]:
    """Runs what is missing in `folder`/runs and returns all runs, in the plan's order.

    Args:
        pool: the search split.
        plan: what is compared.
        folder: where the runs are kept.
        test: a split that no run sees; fronts are scored on it when they are found.
        profile: measured times, for the objective latency.
        on_note: hears how the classes of the two splits were matched.
        on_progress: hears of the runs that are done, and of the search under way.

    Raises:
        SearchError: a run in the folder is of another comparison.
        KeyboardInterrupt: Ctrl-C, when the run under way has been stored as a checkpoint.
    """
    if test is not None:
        test = in_classes_of(test, class_names_of(pool), on_note=on_note)
    runs: list[ContestRun] = []
    planned = tuple(plan.runs())
    what = f"runs on {pool.name}"
    for options in counted(planned, what=what, unit="runs", on_progress=on_progress):
        name = f"{options.algorithm}-seed{options.seed}"
        file = folder / "runs" / f"{name}.json"
        front = _found(pool, options, file, profile, on_progress)
        tested = None
        if test is not None:
            tested = _tested(front, test, folder / "runs" / f"{name}.test.json", profile)
        runs.append(ContestRun(front=front, tested=tested))
    return runs


def _found(
    pool: Pool,
    options: SearchOptions,
    file: Path,
    profile: LatencyProfile | None,
    on_progress: OnProgress,
) -> Front:
    if file.exists():
        front = Front.load(file)
        _check(front, pool, options, file)
        return front
    file.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = file.with_suffix(".checkpoint.npz")
    found = search_pool(
        pool,
        options,
        profile=profile,
        checkpoint=checkpoint,
        resume=True,
        on_progress=on_progress,
    )
    if found.interrupted:
        folder = file.parent.parent
        raise KeyboardInterrupt(f"{folder} holds what is done: the same command goes on")
    found.front.save(file)
    checkpoint.unlink(missing_ok=True)
    return found.front


def _tested(front: Front, test: Pool, file: Path, profile: LatencyProfile | None) -> Front:
    if file.exists():
        tested = Front.load(file)
        same = [c.cascade for c in tested.cascades] == [c.cascade for c in front.cascades]
        if same and tested.pool.sha256 == test.sha256:
            return tested
    tested = evaluate_front(front, test, profile=profile)
    tested.save(file)
    return tested


def _check(front: Front, pool: Pool, options: SearchOptions, file: Path) -> None:
    """Refuses a run that is not the one that these options would make."""
    reference = front.search.get("hypervolume", {}).get("reference")
    found = {key: front.search.get(key) for key in options.settings}
    found |= {"pool": front.pool.sha256, "metric": front.metric, "reference": reference}
    expected = options.settings | {"pool": pool.sha256, "metric": options.metric}
    expected["reference"] = list(options.reference) if options.reference else reference
    faults = [
        f"{key}: expected {expected[key]}, got {found[key]}"
        for key in expected
        if found[key] != expected[key]
    ]
    if faults:
        remedy = "a run of another comparison: give another --out, or delete the file"
        raise SearchError(*faults, remedy, where=str(file))
