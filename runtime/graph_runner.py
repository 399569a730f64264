"""Runs a whole cascade as one ONNX graph with the early exits inside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import frozen
from ..cascade import Cascade
from ..errors import SessionError
from .batching import Batching
from .executor import DEFAULT_BATCHING, Prediction
from .ort_session import WARM_UP_CALLS, OrtSession
from .session import SessionInfo, checked_batch

THRESHOLDS = "thresholds"
GRAPH_OUTPUTS = ("probabilities", "label", "stage")


class GraphRunner:
    """The `Predictor` that leaves everything to one session.

    Args:
        cascade: what the graph computes.
        session: of the graph, with the outputs probabilities, label and stage.
        batching: how many rows the session gets at once.

    Raises:
        SessionError: the graph has other outputs.
    """

    def __init__(
        self, cascade: Cascade, session: OrtSession, *, batching: Batching = DEFAULT_BATCHING
    ) -> None:
        lacking = [name for name in GRAPH_OUTPUTS if name not in session.output_names]
        if lacking:
            raise SessionError(f"the graph lacks the outputs {lacking}", where=session.info.name)
        self._cascade = cascade
        self._session = session
        self._batching = batching

    @property
    def cascade(self) -> Cascade:
        """The cascade that the graph computes."""
        return self._cascade

    @property
    def info(self) -> SessionInfo:
        """What the graph takes and gives, and where it runs."""
        return self._session.info

    def warm_up(self) -> None:
        """Runs every size of batch through every member."""
        # No confidence is above 2, so that every sample goes through to the last member.
        never = np.full(self._cascade.n_stages - 1, 2, np.float32)
        for size in self._batching.warm_up_sizes:
            batch = np.zeros((size, *self.info.input_shape), self.info.input_dtype)
            for _ in range(WARM_UP_CALLS):
                more = {THRESHOLDS: never} if len(never) else {}
                self._session.outputs(GRAPH_OUTPUTS, batch, more=more)

    def __call__(self, x: NDArray[Any]) -> Prediction:
        """Predicts samples x [n, *input_shape]; n may be 0.

        Raises:
            SessionError: `x` has another shape or type.
        """
        x = checked_batch(np.asarray(x), self.info)
        probabilities = np.empty((len(x), self.info.n_classes), np.float32)
        label, stage = np.empty(len(x), np.int64), np.empty(len(x), np.int64)
        for piece in self._batching.pieces(len(x)):
            rows = slice(piece.start, piece.stop)
            answers = self._session.outputs(GRAPH_OUTPUTS, piece.padded(x))
            for place, answer in zip((probabilities, label, stage), answers, strict=True):
                place[rows] = answer[: piece.stop - piece.start]
        return Prediction(
            label=frozen(label), stage=frozen(stage), probabilities=frozen(probabilities)
        )
