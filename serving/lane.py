"""One queue of requests and the threads that run its batches: between asyncio and a cascade.

Requests come in on the event loop, worker threads take them out as batches, answers go back to the
event loop. A worker that is free takes what waits at once (or when the oldest request has waited
its delay), so batches grow with the load by themselves.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray, frozen
from ..runtime.executor import Prediction, Predictor
from .protocol import Refusal
from .queueing import BatchQueue, QueueLimits

Clock: TypeAlias = Callable[[], float]

POLL_S = 0.002
NO_STAGES: IntArray = frozen(np.empty(0, np.int64))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What one request gets.

    Args:
        label: int64 [n].
        stage: int64 [n], from 1.
        probabilities: float32 [n, n_classes].
        cascade: the name of the cascade that ran.
    """

    label: IntArray
    stage: IntArray
    probabilities: FloatArray
    cascade: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variant:
    """A cascade under its name."""

    name: str
    predictor: Predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What waits when a batch is about to run.

    Args:
        now_s: the time.
        batch_rows: rows in the batch.
        n_rows: rows in the batch and behind it.
        oldest_wait_s: how long the first request of the batch has waited.
    """

    now_s: float
    batch_rows: int
    n_rows: int
    oldest_wait_s: float


@dataclass(slots=True, eq=False)
class Ticket:
    """A request in the queue."""

    samples: NDArray[Any]
    arrived_s: float
    deadline_s: float | None
    future: asyncio.Future[Answer]

    @property
    def n_rows(self) -> int:
        """See `Job`."""
        return len(self.samples)

    @property
    def is_cancelled(self) -> bool:
        """See `Job`."""
        return self.future.cancelled()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchReport:
    """What became of a batch.

    Args:
        cascade: the name of the cascade that ran.
        rows: of each request.
        waited_s: how long each request waited.
        gather_s: putting the samples together.
        run_s: running the cascade.
        stage: int64 [n_rows], where each sample left; empty where the run failed.
        failure: what went wrong, or None.
    """

    cascade: str
    rows: tuple[int, ...]
    waited_s: tuple[float, ...]
    gather_s: float
    run_s: float
    stage: IntArray
    failure: Exception | None = None


class Lane:
    """A bounded queue and its workers; to be made while the event loop runs.

    Args:
        name: for the threads and the messages.
        limits: of the queue.
        choose: gives the cascade that the next batch runs on.
        n_workers: how many batches run at the same time.
        on_batch: is told of every batch, on the event loop.
        clock: seconds.
    """

    def __init__(
        self,
        name: str,
        limits: QueueLimits,
        choose: Callable[[Load], Variant],
        *,
        n_workers: int = 1,
        on_batch: Callable[[BatchReport], object] = lambda _report: None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._name = name
        self._queue: BatchQueue[Ticket] = BatchQueue(limits)
        self._choose = choose
        self._on_batch = on_batch
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._condition = threading.Condition()
        self._is_closing = False
        self._workers = [
            threading.Thread(target=self._work, name=f"{name}/{i}", daemon=True)
            for i in range(n_workers)
        ]
        for worker in self._workers:
            worker.start()

    @property
    def limits(self) -> QueueLimits:
        """How requests are put together."""
        return self._queue.limits

    @property
    def n_waiting_rows(self) -> int:
        """The rows that wait now."""
        return self._queue.n_rows

    def check_room(self) -> None:
        """Refuses at once what `submit` would refuse, before a request is even read.

        Raises:
            Refusal: no request has a place in the queue, or the lane is closing.
        """
        if self._is_closing:
            raise Refusal("unavailable", f"model {self._name!r} is being unloaded")
        if self._queue.n_rows >= self._queue.limits.max_queue_rows:
            raise Refusal("exhausted", f"the queue of model {self._name!r} is full")

    async def submit(self, samples: NDArray[Any], *, timeout_s: float | None = None) -> Answer:
        """The answer for samples [n, ...], n from 1 to the largest batch size.

        Raises:
            Refusal: the queue is full, the time is up, the lane is closing, or the cascade failed.
        """
        now = self._clock()
        ticket = Ticket(
            samples=samples,
            arrived_s=now,
            deadline_s=None if timeout_s is None else now + timeout_s,
            future=self._loop.create_future(),
        )
        with self._condition:
            if self._is_closing:
                raise Refusal("unavailable", f"model {self._name!r} is being unloaded")
            if not self._queue.offer(ticket):
                raise Refusal("exhausted", f"the queue of model {self._name!r} is full")
            self._condition.notify()
        return await ticket.future

    async def close(self) -> None:
        """Takes no more requests, and returns when those that wait are answered."""
        with self._condition:
            self._is_closing = True
            self._condition.notify_all()
        # Polled, not joined in a thread: a run that hangs must not keep the process from ending.
        while any(worker.is_alive() for worker in self._workers):
            await asyncio.sleep(POLL_S)

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            self._run(*batch)

    def _next_batch(self) -> tuple[list[Ticket], Load] | None:
        with self._condition:
            while True:
                now, due = self._clock(), self._queue.due_s()
                if due is None and self._is_closing:
                    return None
                if due is None or (now < due and not self._is_closing):
                    self._condition.wait(None if due is None else due - now)
                    continue
                n_rows = self._queue.n_rows
                batch, late = self._queue.take(now)
                if late:
                    self._tell(
                        self._refuse, late, Refusal("expired", "the request waited too long")
                    )
                if batch:
                    return batch, _load(batch, n_rows, now)

    def _run(self, batch: list[Ticket], load: Load) -> None:
        variant = self._choose(load)
        gathered_s = self._clock()
        prediction, failure = None, None
        try:
            samples = _gathered(batch)
            gathered_s = self._clock()
            prediction = variant.predictor(samples)
        except Exception as cause:
            # Whatever a runtime raises is the answer of this batch, and no end of the worker.
            failure = cause
        report = BatchReport(
            cascade=variant.name,
            rows=tuple(ticket.n_rows for ticket in batch),
            waited_s=tuple(load.now_s - ticket.arrived_s for ticket in batch),
            gather_s=gathered_s - load.now_s,
            run_s=self._clock() - gathered_s,
            stage=prediction.stage if prediction else NO_STAGES,
            failure=failure,
        )
        self._tell(self._deliver, batch, prediction, report)

    def _deliver(
        self, batch: list[Ticket], prediction: Prediction | None, report: BatchReport
    ) -> None:
        if prediction is None:
            self._refuse(batch, Refusal("internal", f"{self._name}: {report.failure}"))
        else:
            _hand_out(batch, prediction, report.cascade)
        self._on_batch(report)

    def _refuse(self, batch: Sequence[Ticket], refusal: Refusal) -> None:
        for ticket in batch:
            if not ticket.future.done():
                ticket.future.set_exception(refusal)

    def _tell(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # The loop is closed: the server has ended without waiting, nobody is there to listen.
            if not self._loop.is_closed():
                raise


def _load(batch: Sequence[Ticket], n_rows: int, now_s: float) -> Load:
    return Load(
        now_s=now_s,
        batch_rows=sum(ticket.n_rows for ticket in batch),
        n_rows=n_rows,
        oldest_wait_s=now_s - batch[0].arrived_s,
    )


def _gathered(batch: Sequence[Ticket]) -> NDArray[Any]:
    if len(batch) == 1:
        return batch[0].samples
    return np.concatenate([ticket.samples for ticket in batch])


def _hand_out(batch: Sequence[Ticket], prediction: Prediction, cascade: str) -> None:
    start = 0
    for ticket in batch:
        rows = slice(start, start + ticket.n_rows)
        start = rows.stop
        if not ticket.future.done():
            ticket.future.set_result(
                Answer(
                    label=prediction.label[rows],
                    stage=prediction.stage[rows],
                    probabilities=prediction.probabilities[rows],
                    cascade=cascade,
                )
            )
