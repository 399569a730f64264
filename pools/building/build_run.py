"""Builds a pool: runs models over data and stores what they answer, model by model.

The pool is there, and valid, as soon as the first model is done; a build that was killed goes on
where it was. What is stored does not depend on who runs the models, nor on how often the build was
killed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ...data.data_source import DataSource
from ...data.pixels import SampleReference, pixel_bytes, write_pixels
from ...errors import PoolError
from ...files import unfinished_files
from ...runtime.device import nvidia_gpus
from ..models.model_requests import ModelRefusal, ModelRequest
from ..models.run_settings import RunSettings
from .build_crew import Crew, ProcessCrew, Rows, SoloCrew
from .build_job import BuildAnswer
from .build_plan import BuildOptions, BuildPlan, plan_jobs, state_of
from .build_queue import Group, JobQueue
from .build_state import BUILD_FILE, BuildState, continued, unchanged
from .build_store import PoolStore

WORK_FOLDER = ".work"
POLL_S = 0.2


class Watcher:
    """Hears of a build's progress; this one does nothing with it."""

    def considers(self, name: str) -> None:
        """A model is made, without weights, to know whether it passes the filters."""

    def begins(self, n_models: int, n_kept: int, n_samples: int) -> None:
        """So many models will run on so many samples, so many others are there already."""

    def decodes(self, n: int) -> None:
        """So many images more were decoded; told by another thread."""

    def starts(self, name: str) -> None:
        """A model starts."""

    def runs(self, name: str, n: int) -> None:
        """So many samples more were answered by a model."""

    def stores(self, answer: BuildAnswer, accuracy: float) -> None:
        """A model's outputs are in the pool."""

    def refuses(self, refusal: ModelRefusal) -> None:
        """A model will not be in the pool."""


Hiring: TypeAlias = Callable[[Watcher], Crew]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a build came to.

    Args:
        path: the pool's folder.
        n_models: models in the pool.
        n_built: of these, models that ran in this build.
        n_passes: passes over the images, one for each way to make pixels of them.
        refusals: the models that are not in the pool, and why.
        unpriced: the models that ran in this build and whose macs cannot be counted, and why.
    """

    path: Path
    n_models: int
    n_built: int
    n_passes: int
    refusals: tuple[ModelRefusal, ...]
    unpriced: tuple[ModelRefusal, ...]


def run_build(
    requests: Sequence[ModelRequest],
    data: DataSource,
    out: Path,
    *,
    options: BuildOptions | None = None,
    hire: Hiring | None = None,
    watcher: Watcher | None = None,
) -> BuildReport:
    """Runs models over data and stores their outputs in the pool folder `out`.

    Args:
        requests: the models; their names must differ.
        data: all of the data, even where `options.rows` takes a part of them.
        out: a new folder, or that of an earlier build of the same data with the same settings.
        options: how.
        hire: makes who runs the models; this process by default.
        watcher: hears of the progress.

    Raises:
        PoolError: `out` is something else, or no model could be run.
        DataError: an image cannot be read.
    """
    chosen, watching = options or BuildOptions(), watcher or Watcher()
    part = data if chosen.rows is None else data.take(np.array(chosen.rows, np.int64))
    plan = plan_jobs(requests, part, chosen)
    if not plan.jobs:
        raise _nothing(plan.refusals, out)
    store = _opened(out, plan, part, chosen, requests)
    groups = plan.groups([m.name for m in plan.models if m.name not in store.names])
    n_kept = len(store.names)
    n_there = sum(model.name in store.names for model in plan.models)
    watching.begins(len(plan.models) - n_there, n_there, part.n_samples)
    for refusal in plan.refusals:
        watching.refuses(refusal)
    run = _Run(store=store, watcher=watching, refusals=list(plan.refusals), unpriced=[])
    work = out / WORK_FOLDER
    if groups:
        run.all(groups, hire or solo, Pixels(folder=work, data=part, options=chosen))
    shutil.rmtree(work, ignore_errors=True)
    if not store.names:
        raise _nothing(run.refusals, out)
    return BuildReport(
        path=out,
        n_models=len(store.names),
        n_built=len(store.names) - n_kept,
        n_passes=len(groups),
        refusals=tuple(run.refusals),
        unpriced=tuple(run.unpriced),
    )


def solo(watcher: Watcher) -> Crew:
    """This process runs the models, one after the other."""
    return SoloCrew(lambda rows: watcher.runs(rows.name, rows.n))


def processes(n_workers: int, settings: RunSettings) -> Hiring:
    """Processes of this machine run the models; those on "cuda" share its GPUs out."""
    n_gpus = visible_gpus() if settings.device == "cuda" else 0
    devices = [f"cuda:{index}" for index in range(n_gpus)] or [settings.device]
    return lambda _watcher: ProcessCrew(n_workers, devices)


def visible_gpus() -> int:
    """How many GPUs this process may use."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return len(nvidia_gpus())
    return len([word for word in chosen.split(",") if word.strip()])


def ray_cluster(address: str, settings: RunSettings) -> Hiring:
    """A Ray cluster runs the models.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    from .build_ray import RayCrew  # noqa: PLC0415 - Ray is optional

    n_gpus = 0 if settings.device == "cpu" else 1
    return lambda _watcher: RayCrew(address, n_threads=settings.n_threads, n_gpus=n_gpus)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pixels:
    """The samples of the groups of jobs, in files that go as soon as they are not needed.

    Args:
        folder: for the files.
        data: what is decoded.
        options: of the build.
    """

    folder: Path
    data: DataSource
    options: BuildOptions

    def make(self, reference: SampleReference, tell: Callable[[int], None]) -> SampleReference:
        """The samples in a file, where one may be that large."""
        if pixel_bytes(self.data, reference.plan) > self.options.cache_bytes:
            return reference
        key = hashlib.sha256(repr(reference.plan).encode()).hexdigest()[:16]
        path = self.folder / f"{key}.npy"
        threads = self.options.decode_threads
        write_pixels(self.data, reference.plan, path, n_threads=threads, progress=tell)
        return replace(reference, file=path.resolve())

    def drop(self, reference: SampleReference) -> None:
        """Removes the file of samples that no job needs any more."""
        if reference.file is not None:
            reference.file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Run:
    """A build under way."""

    store: PoolStore
    watcher: Watcher
    refusals: list[ModelRefusal]
    unpriced: list[ModelRefusal]

    def all(self, groups: Sequence[Group], hire: Hiring, pixels: Pixels) -> None:
        """Runs all jobs; ends early only by an exception."""
        stop = threading.Event()

        def tell(n: int) -> None:
            if stop.is_set():
                raise InterruptedError("the build was stopped")
            self.watcher.decodes(n)

        queue = JobQueue(
            groups, prepare=lambda samples: pixels.make(samples, tell), release=pixels.drop
        )
        with closing(queue), closing(hire(self.watcher)) as crew:
            try:
                self._loop(queue, crew)
            finally:
                stop.set()

    def _loop(self, queue: JobQueue, crew: Crew) -> None:
        running = 0
        while running or not queue.is_empty:
            while crew.n_idle and (job := queue.take(wait=not running)):
                self.watcher.starts(job.name)
                crew.start(job)
                running += 1
            for news in crew.news(POLL_S):
                if isinstance(news, Rows):
                    self.watcher.runs(news.name, news.n)
                else:
                    running -= 1
                    queue.done(news.name)
                    self._settle(news)

    def _settle(self, answer: BuildAnswer) -> None:
        reason = answer.fault
        if not reason:
            try:
                model, accuracy = self.store.add(answer)
            except PoolError as cause:
                reason = "; ".join(cause.faults)
            else:
                self.watcher.stores(answer, accuracy)
                if "macs" not in model.costs:
                    self.unpriced.append(ModelRefusal(name=answer.name, reason=answer.cost_fault))
                return
        refusal = ModelRefusal(name=answer.name, reason=reason)
        self.refusals.append(refusal)
        self.watcher.refuses(refusal)


def _opened(
    out: Path,
    plan: BuildPlan,
    data: DataSource,
    options: BuildOptions,
    requests: Sequence[ModelRequest],
) -> PoolStore:
    """The store in a new folder, or in that of an earlier build with what is there already."""
    if out.exists() and not (out / BUILD_FILE).is_file() and not _is_empty(out):
        raise PoolError(
            "is no folder of an earlier build; give another --out, or --overwrite", where=str(out)
        )
    hashes = data.sample_hashes()
    old = BuildState.load(out)
    state = state_of(plan, data, hashes, options)
    state = continued(old, state, where=str(out)) if old else state
    out.mkdir(parents=True, exist_ok=True)
    store = PoolStore(
        folder=out,
        state=state,
        data=data,
        hashes=hashes,
        options=options,
        requests={request.name: request for request in requests},
        unaware=plan.unaware,
    )
    store.keep(unchanged(old, state))
    state.save(out)
    return store


def _is_empty(folder: Path) -> bool:
    return set(folder.iterdir()) <= set(unfinished_files(folder))


def _nothing(refusals: Sequence[ModelRefusal], out: Path) -> PoolError:
    reasons = [f"{refusal.name}: {refusal.reason}" for refusal in refusals]
    return PoolError(f"none of {len(reasons)} models could be run", *reasons, where=str(out))
