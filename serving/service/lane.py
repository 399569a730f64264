"""One queue of requests and what runs its batches: between asyncio and a cascade.

Requests come in on the event loop, worker threads take them out as batches, answers go back to the
event loop. A worker that is free takes what waits at once (or when the oldest request has waited
its delay), so batches grow with the load by themselves. Where batches are very quick, the event
loop runs them itself, when as many requests are there as seem to come; it also runs short ones
itself for a client that is alone.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from ...runtime.executor import Prediction
from ..protocol.protocol import Refusal
from .crowd import Crowd
from .pace import Pace
from .queueing import BatchQueue, QueueLimits
from .request_batch import (
    NO_STAGES,
    Batch,
    BatchReport,
    Load,
    RequestAnswer,
    RequestSamples,
    Ticket,
    Variant,
    refuse,
)

Clock: TypeAlias = Callable[[], float]

LOGGER = logging.getLogger("encas.lane")
POLL_S = 0.002
# Event loops count milliseconds: one of them can be over at once.
PATIENCE_S = 0.002


class Lane:
    """A bounded queue and its workers; to be made and used on one event loop.

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
        self._pace = Pace()
        self._loop = asyncio.get_running_loop()
        self._condition = threading.Condition()
        self._n_busy = 0
        self._n_open = 0
        self._crowd = Crowd()
        self._patience: asyncio.Handle | None = None
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

    async def submit(
        self, samples: RequestSamples, *, timeout_s: float | None = None
    ) -> RequestAnswer:
        """The answer for n samples, n from 1 to the largest batch size.

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
            self.check_room()
            if not self._queue.offer(ticket):
                raise Refusal("exhausted", f"the queue of model {self._name!r} is full")
            self._crowd.note_request(now, n_open=self._n_open)
            if self._n_busy or self.limits.max_delay_s or not self._runs_here:
                self._condition.notify()
            else:
                self._gather_here()
        self._n_open += 1
        try:
            return await ticket.future
        except asyncio.CancelledError:
            with self._condition:
                self._queue.discard(ticket)
            raise
        finally:
            self._n_open -= 1

    async def close(self) -> None:
        """Takes no more requests, and returns when those that wait are answered."""
        with self._condition:
            self._is_closing = True
            self._condition.notify_all()
        # Polled, not joined in a thread: a run that hangs must not keep the process from ending.
        while any(worker.is_alive() for worker in self._workers):
            await asyncio.sleep(POLL_S)

    @property
    def _runs_here(self) -> bool:
        """Whether the next batch had better run on the event loop than on a worker."""
        return self._pace.is_quick or (self._crowd.is_one and self._pace.is_short)

    def _gather_here(self) -> None:
        """Runs the next batch on the event loop when as many requests are there as seem to come."""
        is_full = self._queue.n_rows >= self.limits.max_batch_size
        if is_full or len(self._queue) >= self._crowd.expected:
            if self._patience is not None:
                self._patience.cancel()
            self._patience = self._loop.call_soon(self._run_here)
        elif self._patience is None:
            self._patience = self._loop.call_later(PATIENCE_S, self._run_here)

    def _run_here(self) -> None:
        """Runs what waits, batch after batch while they are full.

        One pass of the loop lets in as many requests as have come: one batch per pass would let
        the queue grow to its limit on a server that has time enough.
        """
        self._patience = None
        while (batch := self._next_batch_here()) is not None:
            self._deliver(batch, *self._ran(batch))
            if self._queue.n_rows < self.limits.max_batch_size or not self._runs_here:
                break
        with self._condition:
            if not self._runs_here:
                self._condition.notify()
            elif len(self._queue) and not self._n_busy:
                self._gather_here()

    def _next_batch_here(self) -> Batch | None:
        with self._condition:
            return None if self._n_busy else self._taken(self._clock())

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            self._tell(self._deliver, batch, *self._ran(batch))
            with self._condition:
                self._n_busy -= 1

    def _next_batch(self) -> Batch | None:
        with self._condition:
            while True:
                now, due = self._clock(), self._queue.due_s()
                if due is None and self._is_closing:
                    return None
                if due is None or (now < due and not self._is_closing):
                    self._condition.wait(None if due is None else due - now)
                elif (batch := self._taken(now)) is not None:
                    self._n_busy += 1
                    return batch

    def _taken(self, now_s: float) -> Batch | None:
        n_rows = self._queue.n_rows
        tickets, late = self._queue.take(now_s)
        if late:
            self._tell(refuse, late, Refusal("expired", "the request waited too long"))
        return Batch.of(tickets, n_rows=n_rows, now_s=now_s) if tickets else None

    def _ran(self, batch: Batch) -> tuple[Prediction | None, BatchReport]:
        cascade, gathered_s = "", self._clock()
        prediction, failure = None, None
        try:
            variant = self._choose(batch.load)
            cascade = variant.name
            samples = batch.samples()
            gathered_s = self._clock()
            prediction = variant.predictor(samples)
        except Exception as cause:
            # Whatever a runtime raises is the answer of this batch, and no end of the worker.
            failure = cause
        return prediction, BatchReport(
            cascade=cascade,
            rows=tuple(ticket.n_rows for ticket in batch.tickets),
            waited_s=tuple(batch.load.now_s - ticket.arrived_s for ticket in batch.tickets),
            gather_s=gathered_s - batch.load.now_s,
            run_s=self._clock() - gathered_s,
            stage=prediction.stage if prediction else NO_STAGES,
            failure=failure,
        )

    def _deliver(self, batch: Batch, prediction: Prediction | None, report: BatchReport) -> None:
        if prediction is None:
            LOGGER.error("batch failed", extra={"model": self._name}, exc_info=report.failure)
            refuse(batch.tickets, Refusal("internal", f"{self._name}: {report.failure}"))
        else:
            batch.hand_out(prediction, report.cascade)
            self._pace.note(report.run_s)
        self._crowd.note_batch(self._clock(), n_requests=len(batch.tickets))
        self._on_batch(report)

    def _tell(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # The loop is closed: the server has ended without waiting, nobody is there to listen.
            if not self._loop.is_closed():
                raise
