"""Which requests wait, and which go together: the batcher without threads and without a clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ...errors import ServingError


class QueuedJob(Protocol):
    """A request that waits.

    Times are seconds of one clock that the caller chooses.
    """

    @property
    def n_rows(self) -> int:
        """Samples of the request, at least 1."""
        ...

    @property
    def arrived_s(self) -> float:
        """When it came."""
        ...

    @property
    def deadline_s(self) -> float | None:
        """When an answer is of no use any more; None: never."""
        ...


AnyJob = TypeVar("AnyJob", bound=QueuedJob)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How requests are put together.

    Args:
        max_batch_size: rows that run at once; no request may have more.
        max_queue_rows: rows that may wait; a request that does not fit is refused.
        max_delay_s: how long the oldest request may wait for others to fill a batch.

    Raises:
        ServingError: values that no queue can keep.
    """

    max_batch_size: int
    max_queue_rows: int
    max_delay_s: float = 0.0

    def __post_init__(self) -> None:
        faults = []
        if self.max_batch_size < 1:
            faults.append(f"the batch size must be at least 1, got {self.max_batch_size}")
        if self.max_queue_rows < self.max_batch_size:
            faults.append(
                f"the queue must hold at least one batch of {self.max_batch_size} rows, "
                f"got {self.max_queue_rows}"
            )
        if not 0 <= self.max_delay_s < float("inf"):
            faults.append(f"the delay must be 0 or more seconds, got {self.max_delay_s}")
        if faults:
            raise ServingError(*faults, where="queue")


class BatchQueue(Generic[AnyJob]):
    """First come, first served; no request is split, none overtakes another."""

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._jobs: deque[AnyJob] = deque()
        self._n_rows = 0

    @property
    def n_rows(self) -> int:
        """The rows that wait."""
        return self._n_rows

    @property
    def limits(self) -> QueueLimits:
        """How requests are put together."""
        return self._limits

    def __len__(self) -> int:
        return len(self._jobs)

    def offer(self, job: AnyJob) -> bool:
        """Lets a request wait; False where the queue has no place for all of it."""
        if self._n_rows + job.n_rows > self._limits.max_queue_rows:
            return False
        self._jobs.append(job)
        self._n_rows += job.n_rows
        return True

    def discard(self, job: AnyJob) -> None:
        """Gives the place of a request back, if it still waits."""
        try:
            self._jobs.remove(job)
        except ValueError:
            return
        self._n_rows -= job.n_rows

    def due_s(self) -> float | None:
        """When the next batch is due: at once where one is full; None where nobody waits."""
        if not self._jobs:
            return None
        is_full = self._n_rows >= self._limits.max_batch_size
        return self._jobs[0].arrived_s + (0.0 if is_full else self._limits.max_delay_s)

    def take(self, now_s: float) -> tuple[list[AnyJob], list[AnyJob]]:
        """The next batch, from the oldest request on as far as rows fit, and who is too late."""
        batch: list[AnyJob] = []
        late: list[AnyJob] = []
        room = self._limits.max_batch_size
        while self._jobs and self._jobs[0].n_rows <= room:
            job = self._jobs.popleft()
            self._n_rows -= job.n_rows
            if job.deadline_s is not None and now_s > job.deadline_s:
                late.append(job)
                continue
            batch.append(job)
            room -= job.n_rows
        return batch, late
