"""Runs a cascade member by member: only the samples that go on reach the next session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..arrays import FloatArray, IntArray, frozen
from ..cascade import Cascade, decide
from ..data.samples import Batch, SampleRows, Samples
from ..errors import SessionError
from .batching import Batching
from .session import Held, Session, SessionInfo, samples_of

if TYPE_CHECKING:
    from ..data.raw_images import ImageReader, RawImages

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
        """What samples of the first input look like, how many classes there are, and where."""
        ...

    @property
    def inputs(self) -> Mapping[str, SessionInfo]:
        """Name of each input -> what its samples look like; most cascades have one."""
        ...

    def __call__(self, x: Batch | RawImages) -> Prediction:
        """Predicts samples, n from 0; threads may call at the same time.

        Args:
            x: [n, *input_shape]; where there are several inputs, one array for each by its name;
                or samples that are read when a member asks for them. What `load` opened takes
                images, too: see there.
        """
        ...


class Runner:
    """The staged `Predictor`: it runs one session after the other on the samples that are left.

    Args:
        cascade: the exit rule.
        sessions: one for each member, in order.
        batching: how many rows a session gets at once.
        images: makes samples of images; None: only samples are taken.

    Raises:
        SessionError: the sessions do not fit the cascade or each other.
    """

    def __init__(
        self,
        cascade: Cascade,
        sessions: Sequence[Session],
        *,
        batching: Batching = DEFAULT_BATCHING,
        images: ImageReader | None = None,
    ) -> None:
        self._cascade = cascade
        self._sessions = tuple(sessions)
        self._batching = batching
        self._images = images
        faults = _faults(cascade, [session.info for session in self._sessions])
        if faults:
            raise SessionError(*faults, where="cascade")
        self._inputs: dict[str, SessionInfo] = {}
        for session in self._sessions:
            self._inputs.setdefault(session.info.reads, session.info)

    @property
    def cascade(self) -> Cascade:
        """The cascade that runs."""
        return self._cascade

    @property
    def info(self) -> SessionInfo:
        """What the first member takes and gives."""
        return self._sessions[0].info

    @property
    def inputs(self) -> Mapping[str, SessionInfo]:
        """See `Predictor.inputs`."""
        return self._inputs

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The members' sessions, in order."""
        return self._sessions

    def warm_up(self) -> None:
        """Runs what is worth it through every member, from the same memory as later calls."""
        plan = self._batching.warm_up_on(self.info.setting.device)
        for size in plan.sizes:
            rows = np.arange(size, dtype=np.int64)
            call = _Call(_Nothing(self._inputs, size), self._sessions, self._batching)
            try:
                for j in tuple(range(len(self._sessions))) * plan.n_calls:
                    call.outputs(j, rows)
            finally:
                call.release()

    def __call__(self, x: Batch | RawImages) -> Prediction:
        """Predicts samples.

        Args:
            x: see `Predictor`.

        Raises:
            SessionError: an input is missing, or has another shape or type.
            DataError: an image cannot be read.
        """
        samples = samples_of(x, self._inputs, self._images)
        limit = self._batching.max_held_rows
        if len(samples) <= limit:
            return self._predicted(samples)
        starts = range(0, len(samples), limit)
        stops = [min(start + limit, len(samples)) for start in starts]
        return joined(
            [
                self._predicted(SampleRows(samples=samples, start=start, stop=stop))
                for start, stop in zip(starts, stops, strict=True)
            ]
        )

    def _predicted(self, samples: Samples) -> Prediction:
        call = _Call(samples, self._sessions, self._batching)
        try:
            decision = decide(self._cascade, call.outputs, n_samples=len(samples))
        finally:
            call.release()
        return Prediction(
            label=decision.label,
            stage=decision.stage,
            probabilities=decision.probabilities,
            work=tuple(call.work),
        )


def joined(predictions: Sequence[Prediction]) -> Prediction:
    """Predictions of samples one after the other as one."""
    return Prediction(
        label=frozen(np.concatenate([p.label for p in predictions])),
        stage=frozen(np.concatenate([p.stage for p in predictions])),
        probabilities=frozen(np.concatenate([p.probabilities for p in predictions])),
        work=tuple(
            StageWork(
                calls=sum(work.calls for work in stage),
                rows=sum(work.rows for work in stage),
                padding=sum(work.padding for work in stage),
            )
            for stage in zip(*(p.work for p in predictions), strict=True)
        ),
    )


@dataclass(slots=True)
class _Call:
    """One call under way: samples move to the sessions' device when the first member needs them."""

    samples: Samples
    sessions: Sequence[Session]
    batching: Batching
    work: list[StageWork] = field(init=False)
    _held: dict[str, tuple[IntArray, Held]] = field(init=False)

    def __post_init__(self) -> None:
        self.work = [StageWork()] * len(self.sessions)
        self._held = {}

    def outputs(self, j: int, rows: IntArray) -> FloatArray:
        """The probabilities [len(rows), n_classes] of member j."""
        session = self.sessions[j]
        if not len(rows):
            return np.empty((0, session.info.n_classes), np.float32)
        held, rows = self._placed(session, rows)
        if len(rows) <= self.batching.unpadded_rows:
            self.work[j] = StageWork(calls=1, rows=len(rows))
            return session.run(held.take(rows, len(rows)))
        pieces = list(self.batching.pieces(len(rows)))
        padding = sum(piece.size for piece in pieces) - len(rows)
        self.work[j] = StageWork(calls=len(pieces), rows=len(rows), padding=padding)
        if len(pieces) == 1:
            answers = session.run(held.take(rows, pieces[0].size))
            return answers if not padding else answers[: len(rows)]
        probabilities = np.empty((len(rows), session.info.n_classes), np.float32)
        for piece in pieces:
            answers = session.run(held.take(rows[piece.start : piece.stop], piece.size))
            probabilities[piece.start : piece.stop] = answers[: piece.stop - piece.start]
        return probabilities

    def release(self) -> None:
        """Gives back the memory of all samples."""
        for _, held in self._held.values():
            held.release()

    def _placed(self, session: Session, rows: IntArray) -> tuple[Held, IntArray]:
        """Where the input of a session lies, and the places of the samples `rows` in there."""
        name = session.info.reads
        if name not in self._held:
            held = session.hold(self.samples.read(name, rows))
            self._held[name] = rows, held
        there, held = self._held[name]
        if len(there) == len(self.samples):
            return held, rows
        return held, np.searchsorted(there, rows)


class _Nothing:
    """Samples of zeros."""

    def __init__(self, inputs: Mapping[str, SessionInfo], n: int) -> None:
        self._inputs, self._n = inputs, n

    def __len__(self) -> int:
        return self._n

    def read(self, name: str, rows: IntArray) -> np.ndarray:
        info = self._inputs[name]
        return np.zeros((len(rows), *info.input_shape), info.input_dtype)


def _faults(cascade: Cascade, infos: Sequence[SessionInfo]) -> list[str]:
    if len(infos) != cascade.n_stages:
        return [f"{cascade.n_stages} members need as many sessions, got {len(infos)}"]
    faults: list[str] = []
    readers: dict[str, SessionInfo] = {}
    for info in infos:
        first = readers.setdefault(info.reads, info)
        if (info.input_shape, info.input_dtype) != (first.input_shape, first.input_dtype):
            faults.append(
                f"{info.name} reads {info.reads} as {info.input_dtype} {list(info.input_shape)}, "
                f"but {first.name} as {first.input_dtype} {list(first.input_shape)}"
            )
        if info.n_classes != infos[0].n_classes:
            faults.append(
                f"{info.name} gives {info.n_classes} classes, but {infos[0].name} gives "
                f"{infos[0].n_classes}"
            )
    return faults
