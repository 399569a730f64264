"""Runs a whole cascade as one ONNX graph with the early exits inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import frozen
from ..cascade import Cascade
from ..data.samples import Batch, Samples
from ..errors import MissingExtraError, SessionError
from ..manifest import Manifest
from .batching import Batching
from .executor import DEFAULT_BATCHING, Prediction
from .ort_opening import open_session, setting_of
from .ort_session import OUTPUT, answers_of, check_output, checked_inputs
from .placement import DEFAULT_PLACEMENT, Placement
from .session import HostSamples, SessionInfo, samples_of

try:
    import onnxruntime
except ImportError as error:
    raise MissingExtraError("running ONNX models", extra="cpu") from error

if TYPE_CHECKING:
    from ..data.raw_images import ImageReader, RawImages

THRESHOLDS = "thresholds"
GRAPH_OUTPUTS = (OUTPUT, "label", "stage")


class GraphRunner:
    """The `Predictor` that leaves everything to one session.

    Args:
        manifest: of the bundle; says what the graph computes, and what it takes and gives.
        model: the content of the graph's file, or its path where weights lie beside it.
        placement: where and how it runs.
        batching: how many rows the session gets at once.
        images: makes samples of images; None: only samples are taken.

    Raises:
        SessionError: the graph cannot be loaded there, or takes or gives something else.
    """

    def __init__(
        self,
        manifest: Manifest,
        model: Any,
        *,
        placement: Placement = DEFAULT_PLACEMENT,
        batching: Batching = DEFAULT_BATCHING,
        images: ImageReader | None = None,
    ) -> None:
        if placement.cuda_graphs:
            raise SessionError(
                "a graph with branches cannot be captured as a CUDA graph; use the backend "
                "'staged', or no CUDA graphs",
                where=manifest.name,
            )
        place = placement.place
        self._cascade, self._batching = manifest.cascade, batching
        self._images = images
        self._session = open_session(
            model,
            device=place,
            n_threads=placement.threads,
            gpu_memory_bytes=placement.gpu_memory_bytes,
            name=manifest.name,
        )
        dtypes = _checked(self._session, manifest)
        info = SessionInfo(
            name=manifest.name,
            input_shape=(),
            input_dtype="",
            n_classes=manifest.n_classes,
            setting=setting_of(self._session, place, placement.threads, {}),
            sha256=manifest.graph.sha256 if manifest.graph else "",
        )
        self._inputs = {
            entry.name: replace(
                info, input_shape=entry.shape, input_dtype=dtypes[entry.name], reads=entry.name
            )
            for entry in manifest.inputs
        }

    @property
    def cascade(self) -> Cascade:
        """The cascade that the graph computes."""
        return self._cascade

    @property
    def info(self) -> SessionInfo:
        """What the graph takes and gives, and where it runs."""
        return next(iter(self._inputs.values()))

    @property
    def inputs(self) -> Mapping[str, SessionInfo]:
        """See `Predictor.inputs`."""
        return self._inputs

    def warm_up(self) -> None:
        """Runs what is worth it through every member."""
        # No confidence is above 2, so that every sample goes through to the last member.
        never = np.full(self._cascade.n_stages - 1, 2, np.float32)
        more = {THRESHOLDS: never} if len(never) else {}
        plan = self._batching.warm_up_on(self.info.setting.device)
        for size in plan.sizes:
            feeds = {
                name: np.zeros((size, *info.input_shape), info.input_dtype)
                for name, info in self._inputs.items()
            }
            for _ in range(plan.n_calls):
                self._answers(feeds | more)

    def __call__(self, x: Batch | RawImages) -> Prediction:
        """Predicts samples; there may be none.

        Raises:
            SessionError: an input is missing, or has another shape or type.
            DataError: an image cannot be read.
        """
        samples = samples_of(x, self._inputs, self._images)
        n_samples = len(samples)
        probabilities = np.empty((n_samples, self.info.n_classes), np.float32)
        label, stage = np.empty(n_samples, np.int64), np.empty(n_samples, np.int64)
        for piece in self._batching.pieces(n_samples):
            answers = self._answers(self._feeds(samples, piece.start, piece.stop, piece.size))
            for place, answer in zip((probabilities, label, stage), answers, strict=True):
                place[piece.start : piece.stop] = answer[: piece.stop - piece.start]
        return Prediction(
            label=frozen(label), stage=frozen(stage), probabilities=frozen(probabilities)
        )

    def _feeds(self, samples: Samples, start: int, stop: int, size: int) -> dict[str, NDArray[Any]]:
        rows = np.arange(start, stop, dtype=np.int64)
        every = np.arange(stop - start, dtype=np.int64)
        return {
            name: HostSamples(samples.read(name, rows)).take(every, size) for name in self._inputs
        }

    def _answers(self, feeds: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], ...]:
        return answers_of(self._session, GRAPH_OUTPUTS, feeds, name=self.info.name)


def _checked(session: onnxruntime.InferenceSession, manifest: Manifest) -> dict[str, str]:
    """The types of the graph's inputs, after these and the outputs were checked."""
    shapes = {entry.name: entry.shape for entry in manifest.inputs}
    dtypes = checked_inputs(session, manifest.name, shapes)
    check_output(session, manifest.name, OUTPUT, manifest.n_classes)
    given = {output.name for output in session.get_outputs()}
    lacking = [name for name in GRAPH_OUTPUTS if name not in given]
    faults = [f"the graph lacks the outputs {lacking}"] if lacking else []
    faults += [
        f"takes {dtypes[entry.name]} samples as {entry.name}, but the manifest says {entry.dtype}"
        for entry in manifest.inputs
        if entry.dtype != dtypes[entry.name]
    ]
    if faults:
        raise SessionError(*faults, where=manifest.name)
    return dtypes
