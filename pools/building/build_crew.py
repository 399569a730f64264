"""Who runs the jobs of a pool build: this process, or processes of this machine.

All crews give the same answers; they differ in when.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Protocol, TypeAlias, cast

from ..models.run_settings import RunSettings
from .build_job import BuildAnswer, BuildJob, attempt_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """News of a job under way: so many samples more (fewer where it starts again)."""

    name: str
    n: int


News: TypeAlias = "Rows | BuildAnswer"


class Crew(Protocol):
    """Runs jobs, as many at a time as it has hands."""

    @property
    def n_idle(self) -> int:
        """How many jobs it would start at once."""
        ...

    def start(self, job: BuildJob) -> None:
        """Starts a job; only where `n_idle` is not 0."""
        ...

    def news(self, timeout_s: float) -> Sequence[News]:
        """What has happened since the last time, waiting for it for so long at most."""
        ...

    def close(self) -> None:
        """Ends all jobs that still run."""
        ...


class SoloCrew:
    """This process, one job after the other, a batch at a time."""

    def __init__(self) -> None:
        self._name = ""
        self._steps: Generator[int, None, BuildAnswer] | None = None

    @property
    def n_idle(self) -> int:
        """See `Crew.n_idle`."""
        return 0 if self._steps else 1

    def start(self, job: BuildJob) -> None:
        """See `Crew.start`."""
        self._name, self._steps = job.name, attempt_steps(job)

    def news(self, timeout_s: float) -> Sequence[News]:  # noqa: ARG002 - it never waits
        """See `Crew.news`; runs the job that was started for another batch."""
        if self._steps is None:
            return ()
        try:
            return (Rows(name=self._name, n=next(self._steps)),)
        except StopIteration as end:
            self._steps = None
            return (end.value,)

    def close(self) -> None:
        """See `Crew.close`."""
        if self._steps is not None:
            self._steps.close()


@dataclass(slots=True, kw_only=True, eq=False)
class _Worker:
    """A process with the job that it has in hand, None where it is idle."""

    process: SpawnProcess
    pipe: Connection
    device: str
    job: BuildJob | None = None


class ProcessCrew:
    """Processes of this machine, each with one job at a time.

    A process that dies, of a model that crashes or of the system's hunger for memory, takes
    nothing but its job along; another takes its place.

    Args:
        n_workers: how many.
        devices: worker i runs models on device i modulo their number.
    """

    def __init__(self, n_workers: int, devices: Sequence[str]) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._workers = [self._hire(devices[i % len(devices)]) for i in range(n_workers)]

    @property
    def n_idle(self) -> int:
        """See `Crew.n_idle`."""
        return sum(worker.job is None for worker in self._workers)

    def start(self, job: BuildJob) -> None:
        """See `Crew.start`."""
        worker = next(worker for worker in self._workers if worker.job is None)
        settings: RunSettings = replace(job.settings, device=worker.device)
        worker.job = replace(job, settings=settings)
        worker.pipe.send(worker.job)

    def news(self, timeout_s: float) -> Sequence[News]:
        """See `Crew.news`."""
        busy = {worker.pipe: worker for worker in self._workers if worker.job}
        ready = wait(list(busy), timeout_s) if busy else []
        return [self._news_of(busy[pipe]) for pipe in ready]  # type: ignore[index]

    def close(self) -> None:
        """See `Crew.close`."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()

    def _news_of(self, worker: _Worker) -> News:
        assert worker.job is not None
        try:
            news: News = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            code = worker.process.exitcode
            hint = "; out of memory? try fewer --workers" if code == -signal.SIGKILL else ""
            fault = f"its process died (exit code {code}){hint}"
            news = BuildAnswer(name=worker.job.name, fault=fault)
            worker.pipe.close()
            self._workers[self._workers.index(worker)] = self._hire(worker.device)
            return news
        if isinstance(news, BuildAnswer):
            worker.job = None
        return news

    def _hire(self, device: str) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process=process, pipe=cast(Connection, ours), device=device)


def _work(pipe: Connection) -> None:
    """A worker's life: jobs in, news out, until the pipe or the parent ends.

    Ctrl-C reaches all processes of a terminal; only the parent decides what it means.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    while True:
        try:
            job: BuildJob = pipe.recv()
        except (EOFError, OSError):
            return
        steps = attempt_steps(job)
        try:
            while True:
                pipe.send(Rows(name=job.name, n=next(steps)))
        except StopIteration as end:
            pipe.send(end.value)


def _die_with_parent() -> None:
    """A killed build must not leave workers behind that compute for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
