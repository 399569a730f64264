"""A pool build as work that resumes: models run, and are in the pool as soon as they are done."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from ...data.data_source import DataSource
from ...data.pixels import SampleReference, pixel_bytes, refuse_broken, write_pixels
from ...errors import PoolError
from ...intervals import wilson_interval
from ...progress import OnProgress, Progress
from ..models.model_requests import ModelRefusal
from ..plausibility import chance_doubt
from .build_crew import Crew, Rows
from .build_job import BuildAnswer
from .build_options import BuildOptions
from .build_plan import BuildPlan
from .build_queue import JobQueue
from .build_store import PoolStore

POLL_S = 0.2
BUILDING = "building the pool"

Hiring: TypeAlias = Callable[[], Crew]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pixels:
    """The samples of the groups of jobs, in files that go as soon as they are not needed.

    Args:
        folder: for the files.
        data: what is decoded.
        options: of the build.
        checked: not empty once all images have been seen to be readable.
    """

    folder: Path
    data: DataSource
    options: BuildOptions
    checked: list[bool] = field(default_factory=list[bool])

    def make(self, reference: SampleReference, on_progress: OnProgress) -> SampleReference:
        """The samples in a file, where one may be that large."""
        if pixel_bytes(self.data, reference.plan) > self.options.cache_bytes:
            if not self.checked:
                n_threads = self.options.decode_threads
                refuse_broken(self.data, n_threads=n_threads, on_progress=on_progress)
                self.checked.append(True)
            return reference
        key = hashlib.sha256(repr(reference.plan).encode()).hexdigest()[:16]
        path = self.folder / f"{key}.npy"
        threads = self.options.decode_threads
        write_pixels(self.data, reference.plan, path, n_threads=threads, on_progress=on_progress)
        return replace(reference, file=path.resolve())

    def drop(self, reference: SampleReference) -> None:
        """Removes the file of samples that no job needs any more."""
        if reference.file is not None:
            reference.file.unlink(missing_ok=True)


class PoolBuild:
    """A build under way, which keeps each model by itself; see `work.Work` and `work.Keeper`.

    Ctrl-C ends it between two batches of a model; what was in flight is lost.

    Args:
        plan: what is to be done.
        store: of the pool.
        kept: the models whose outputs an earlier build left as they would come out again.
        pixels: of the samples.
        hire: makes who runs the models.
        on_progress: hears of each model that runs, and of decoding, by another thread; of the
            whole build it is told by who drives it.
    """

    every_s = math.inf

    def __init__(
        self,
        plan: BuildPlan,
        store: PoolStore,
        kept: frozenset[str],
        *,
        pixels: Pixels,
        hire: Hiring,
        on_progress: OnProgress,
    ) -> None:
        self._plan = plan
        self._store = store
        self._kept = kept
        self._pixels = pixels
        self._hire = hire
        self._on_progress = on_progress
        self._stop = threading.Event()
        self._queue: JobQueue | None = None
        self._crew: Crew | None = None
        self._left: list[str] = [model.name for model in plan.models]
        self._running: dict[str, int] = {}
        self._news: list[str] = []
        self.n_models = self.n_passes = self._n_kept = 0
        self.refusals: list[ModelRefusal] = []
        self.unpriced: list[ModelRefusal] = []
        self.doubts: list[ModelRefusal] = []

    @property
    def advice(self) -> str:
        """See `Keeper.advice`."""
        return f"{self._store.folder} holds the models that are done: the same command goes on"

    @property
    def finished(self) -> bool:
        """Whether no model is left."""
        return not self._left

    @property
    def progress(self) -> Progress:
        """See `Work.progress`: counts samples, so that the time left is known early on."""
        n_samples, n_ended = self._n_samples, self.n_models - len(self._left)
        return Progress(
            what=BUILDING,
            done=n_ended * n_samples + sum(self._running.values()),
            total=self.n_models * n_samples,
            unit="samples",
            text=f"{n_ended} of {self.n_models} models",
            news="\n".join(self._news),
        )

    @property
    def n_built(self) -> int:
        """How many models this build has put into the pool."""
        return len(self._store.names) - self._n_kept

    def resume(self) -> None:
        """See `Keeper.resume`: what is in the pool need not run again."""
        self._store.keep(self._kept)
        self._n_kept = len(self._store.names)
        self._left = [m.name for m in self._plan.models if m.name not in self._store.names]
        self.n_models, n_planned = len(self._left), len(self._plan.models)
        self.n_passes = len(self._plan.groups(self._left))
        self._news += self._plan.notes
        if self.n_models < n_planned:
            n_there = n_planned - self.n_models
            self._news.append(f"{n_there} of {n_planned} models are there already")
        for refusal in self._plan.refusals:
            self._refuse(refusal)

    def keep(self) -> bool:
        """See `Keeper.keep`: every model that is done is in the pool already."""
        return True

    def step(self) -> None:
        """Starts what can start, and takes what has happened since."""
        self._news = []
        queue, crew = self._opened()
        while crew.n_idle and (job := queue.take(0.0 if self._running else POLL_S)):
            self._running[job.name] = 0
            self._tell(job.name)
            crew.start(job)
        for news in crew.news(POLL_S):
            if isinstance(news, Rows):
                self._running[news.name] += news.n
                self._tell(news.name)
            else:
                queue.done(news.name)
                self._settle(news)

    def close(self) -> None:
        """Ends all that still runs."""
        self._stop.set()
        if self._crew is not None:
            self._crew.close()
        if self._queue is not None:
            self._queue.close()

    @property
    def _n_samples(self) -> int:
        return self._pixels.data.n_samples

    def _opened(self) -> tuple[JobQueue, Crew]:
        if self._queue is None:
            self._queue = JobQueue(
                self._plan.groups(self._left),
                prepare=lambda samples: self._pixels.make(samples, self._decoding),
                release=self._pixels.drop,
            )
        if self._crew is None:
            self._crew = self._hire()
        return self._queue, self._crew

    def _decoding(self, progress: Progress) -> None:
        if self._stop.is_set():
            raise InterruptedError("the build was stopped")
        self._on_progress(progress)

    def _tell(self, name: str, *, is_over: bool = False) -> None:
        total = self._n_samples
        done = total if is_over else self._running[name]
        # The last batch is not the end: the outputs are not in the pool yet.
        done = done if is_over else min(done, total - 1)
        self._on_progress(Progress(what=name, done=done, total=total, unit="samples"))

    def _settle(self, answer: BuildAnswer) -> None:
        self._left.remove(answer.name)
        del self._running[answer.name]
        reason = answer.fault
        if not reason:
            try:
                model, accuracy = self._store.add(answer)
            except PoolError as cause:
                reason = "; ".join(cause.faults)
            else:
                speed = self._n_samples / answer.seconds
                told = f"{answer.name}: {self._accuracy(accuracy)}, {speed:,.0f} images/s"
                self._news.append(told)
                n_right = round(accuracy * self._n_samples)
                chance = chance_doubt(n_right, self._n_samples, self._pixels.data.n_classes)
                doubts = (*answer.doubts, *([chance] if chance else []))
                self.doubts += [ModelRefusal(name=answer.name, reason=d) for d in doubts]
                if "macs" not in model.costs:
                    self.unpriced.append(ModelRefusal(name=answer.name, reason=answer.cost_fault))
        if reason:
            self._refuse(ModelRefusal(name=answer.name, reason=reason))
        self._tell(answer.name, is_over=True)

    def _accuracy(self, accuracy: float) -> str:
        n = self._n_samples
        low, high = wilson_interval(round(accuracy * n), n)
        return f"accuracy {accuracy:.4f} ({low:.4f} .. {high:.4f}, n = {n})"

    def _refuse(self, refusal: ModelRefusal) -> None:
        self.refusals.append(refusal)
        self._news.append(refusal.told)
