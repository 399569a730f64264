"""The values that go through a lane: a request, the batch it is in, what becomes of both."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...arrays import FloatArray, IntArray, frozen
from ...runtime.executor import Prediction, Predictor
from ..protocol.protocol import Refusal

# [n, ...], or such an array for each input, by name, where the cascade has several.
RequestSamples: TypeAlias = "NDArray[Any] | Mapping[str, NDArray[Any]]"
NO_STAGES: IntArray = frozen(np.empty(0, np.int64))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RequestAnswer:
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

    samples: RequestSamples
    arrived_s: float
    deadline_s: float | None
    future: asyncio.Future[RequestAnswer]

    @property
    def n_rows(self) -> int:
        """See `QueuedJob`."""
        x = self.samples
        return len(x if isinstance(x, np.ndarray) else next(iter(x.values())))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Requests that run together, and what waited when they were taken."""

    tickets: tuple[Ticket, ...]
    load: Load

    @classmethod
    def of(cls, tickets: Sequence[Ticket], *, n_rows: int, now_s: float) -> Batch:
        """The batch of some tickets, when `n_rows` rows waited, theirs included."""
        load = Load(
            now_s=now_s,
            batch_rows=sum(ticket.n_rows for ticket in tickets),
            n_rows=n_rows,
            oldest_wait_s=now_s - tickets[0].arrived_s,
        )
        return cls(tickets=tuple(tickets), load=load)

    def samples(self) -> RequestSamples:
        """The samples of all requests, input by input."""
        first = self.tickets[0].samples
        if len(self.tickets) == 1:
            return first
        parts: list[Any] = [ticket.samples for ticket in self.tickets]
        if isinstance(first, np.ndarray):
            return np.concatenate(parts)
        return {name: np.concatenate([part[name] for part in parts]) for name in first}

    def hand_out(self, prediction: Prediction, cascade: str) -> None:
        """Answers every request with its rows."""
        start = 0
        for ticket in self.tickets:
            rows = slice(start, start + ticket.n_rows)
            start = rows.stop
            if not ticket.future.done():
                ticket.future.set_result(
                    RequestAnswer(
                        label=prediction.label[rows],
                        stage=prediction.stage[rows],
                        probabilities=prediction.probabilities[rows],
                        cascade=cascade,
                    )
                )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchReport:
    """What became of a batch.

    Args:
        cascade: the name of the cascade that ran; "" where none could be chosen.
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


def refuse(tickets: Sequence[Ticket], refusal: Refusal) -> None:
    """Refuses every request that still waits for its answer."""
    for ticket in tickets:
        if not ticket.future.done():
            ticket.future.set_exception(refusal)
