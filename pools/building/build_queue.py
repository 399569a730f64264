"""The jobs of a pool build in the order in which they can start."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from ...data.pixels import SampleReference
from .build_job import BuildJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Jobs that share their samples."""

    samples: SampleReference
    jobs: tuple[BuildJob, ...]


class JobQueue:
    """Hands out jobs group by group; the next group's samples are made while this one runs.

    Args:
        groups: in order.
        prepare: makes a group's samples, and says where they are.
        release: is told when all jobs of a group are done.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        *,
        prepare: Callable[[SampleReference], SampleReference],
        release: Callable[[SampleReference], None],
    ) -> None:
        self._waiting = deque(groups)
        self._prepare, self._release = prepare, release
        self._thread = ThreadPoolExecutor(1)
        self._next: Future[SampleReference] | None = None
        self._ready: deque[BuildJob] = deque()
        self._open: dict[str, SampleReference] = {}
        self._prepare_next()

    @property
    def is_empty(self) -> bool:
        """Whether all jobs were handed out."""
        return not self._ready and not self._waiting

    def take(self, timeout_s: float) -> BuildJob | None:
        """The next job, waiting for its samples for so long at most; None where there is none."""
        if not self._ready and self._next is not None and wait([self._next], timeout_s).done:
            samples = self._next.result()
            group = self._waiting.popleft()
            self._ready.extend(replace(job, samples=samples) for job in group.jobs)
            self._open |= {job.name: samples for job in group.jobs}
            self._prepare_next()
        return self._ready.popleft() if self._ready else None

    def done(self, name: str) -> None:
        """Notes that the job of a model is done."""
        samples = self._open.pop(name)
        if samples not in self._open.values():
            self._release(samples)

    def close(self) -> None:
        """Waits for samples that are being made; no more are begun."""
        self._waiting.clear()
        self._thread.shutdown(cancel_futures=True)

    def _prepare_next(self) -> None:
        first = self._waiting[0].samples if self._waiting else None
        self._next = self._thread.submit(self._prepare, first) if first else None
