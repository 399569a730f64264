"""Runs a cascade member by member: only the samples that go on reach the next session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray
from ..cascade import Cascade, decide
from ..errors import SessionError
from .batching import Batching
from .session import Session, SessionInfo, checked_batch

DEFAULT_BATCHING = Batching()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWork:
    """What one member had to do: calls, rows that were samples, rows that were padding."""

    calls: int = 0
    rows: int = 0
    padding: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """What a runner answers.

    Args:
        label: int64 [n], the classes.
        stage: int64 [n], where each sample left, from 1.
        probabilities: float32 [n, n_classes].
        work: what each member had to do; empty where the whole cascade runs as one graph.
    """

    label: IntArray
    stage: IntArray
    probabilities: FloatArray
    work: tuple[StageWork, ...] = ()

    @property
    def padding_waste(self) -> float:
        """The share of all rows run that were padding."""
        padding = sum(stage.padding for stage in self.work)
        return padding / max(1, padding + sum(stage.rows for stage in self.work))


class Predictor(Protocol):
    """Runs a cascade over samples: the staged `Runner`, or one graph."""

    @property
    def cascade(self) -> Cascade:
        """The cascade that runs."""
        ...

    @property
    def info(self) -> SessionInfo:
        """What samples look like, how many classes there are, and where it runs."""
        ...

    def __call__(self, x: NDArray[Any]) -> Prediction:
        """Predicts samples x [n, *input_shape], n from 0; threads may call at the same time."""
        ...


class Runner:
    """The staged `Predictor`: it runs one session after the other on the samples that are left.

    Args:
        cascade: the exit rule.
        sessions: one for each member, in order.
        batching: how many rows a session gets at once.

    Raises:
        SessionError: the sessions do not fit the cascade or each other.
    """

    def __init__(
        self,
        cascade: Cascade,
        sessions: Sequence[Session],
        *,
        batching: Batching = DEFAULT_BATCHING,
    ) -> None:
        self._cascade = cascade
        self._sessions = tuple(sessions)
        self._batching = batching
        faults = _faults(cascade, [session.info for session in self._sessions])
        if faults:
            raise SessionError(*faults, where="cascade")

    @property
    def cascade(self) -> Cascade:
        """The cascade that runs."""
        return self._cascade

    @property
    def info(self) -> SessionInfo:
        """What the first member takes and gives: the same as every other."""
        return self._sessions[0].info

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The members' sessions, in order."""
        return self._sessions

    def warm_up(self) -> None:
        """Runs every size of batch through every member."""
        for session in self._sessions:
            session.warm_up(self._batching.warm_up_sizes)

    def __call__(self, x: NDArray[Any]) -> Prediction:
        """Predicts samples.

        Args:
            x: [n, *input_shape] of the type that the members take; n may be 0.

        Raises:
            SessionError: `x` has another shape or type.
        """
        x = checked_batch(np.asarray(x), self.info)
        work = [StageWork()] * len(self._sessions)

        def outputs(j: int, rows: IntArray) -> FloatArray:
            samples = x if len(rows) == len(x) else x[rows]
            probabilities, work[j] = _run(self._sessions[j], samples, self._batching)
            return probabilities

        decision = decide(self._cascade, outputs, n_samples=len(x))
        return Prediction(
            label=decision.label,
            stage=decision.stage,
            probabilities=decision.probabilities,
            work=tuple(work),
        )


def _run(
    session: Session, samples: NDArray[Any], batching: Batching
) -> tuple[FloatArray, StageWork]:
    pieces = list(batching.pieces(len(samples)))
    padding = sum(piece.size for piece in pieces) - len(samples)
    work = StageWork(calls=len(pieces), rows=len(samples), padding=padding)
    if len(pieces) == 1 and not padding:
        return session.run(samples), work
    probabilities = np.empty((len(samples), session.info.n_classes), np.float32)
    for piece in pieces:
        answers = session.run(piece.padded(samples))
        probabilities[piece.start : piece.stop] = answers[: piece.stop - piece.start]
    return probabilities, work


def _faults(cascade: Cascade, infos: Sequence[SessionInfo]) -> list[str]:
    if len(infos) != cascade.n_stages:
        return [f"{cascade.n_stages} members need as many sessions, got {len(infos)}"]
    first = infos[0]
    return [
        f"{info.name} takes {info.input_dtype} {list(info.input_shape)} and gives "
        f"{info.n_classes} classes, but {first.name} takes {first.input_dtype} "
        f"{list(first.input_shape)} and gives {first.n_classes}"
        for info in infos[1:]
        if (info.input_shape, info.input_dtype, info.n_classes)
        != (first.input_shape, first.input_dtype, first.n_classes)
    ]
