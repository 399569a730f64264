"""A member in ONNX Runtime: the `Session` that deployed cascades consist of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray
from ..entries import INPUT
from ..errors import MissingExtraError, SessionError, whole_text
from .batching import WARM_UP_CALLS
from .binding import Bindings, DeviceBatch, DeviceStore
from .device import Device, device_name
from .engines import EnginePlan, engine_key
from .ort_opening import NUMPY_TYPES, open_session, setting_of
from .placement import DEFAULT_PLACEMENT, Placement
from .session import Held, HostSamples, SessionInfo, checked_batch

try:
    import onnxruntime
except ImportError as error:
    raise MissingExtraError("running ONNX models", extra="cpu") from error

OUTPUT = "probabilities"


class OrtSession:
    """A `Session` of ONNX Runtime.

    On a GPU samples are moved there once; batches are gathered, run and padded there, into memory
    whose addresses never change, so that CUDA graphs can be replayed.

    Args:
        model: the ONNX file, or its content. Weights outside the content are found only where a
            path is given.
        name: the member's name.
        input_shape: of one sample.
        n_classes: length of a probability row.
        placement: where and how it runs.
        input_name: of the model's input.
        output_name: of the probabilities.
        sha256: of the file, kept with measured times.
        reads: which of the cascade's inputs the samples are.
        is_bound: whether batches stay on the device; None: unless that is the CPU.

    Raises:
        SessionError: the model cannot be loaded, takes or gives something else, or the provider
            for the device does not really load.
    """

    def __init__(  # noqa: PLR0913 - what a manifest knows of a member
        self,
        model: bytes | Path,
        *,
        name: str,
        input_shape: tuple[int, ...],
        n_classes: int,
        placement: Placement = DEFAULT_PLACEMENT,
        input_name: str = INPUT,
        output_name: str = OUTPUT,
        sha256: str = "",
        reads: str = INPUT,
        is_bound: bool | None = None,
    ) -> None:
        place = placement.place
        self._is_bound = place.kind != "cpu" if is_bound is None else is_bound
        self._session = open_session(
            model,
            device=place,
            n_threads=placement.threads,
            gpu_memory_bytes=placement.gpu_memory_bytes,
            cuda_graphs=placement.cuda_graphs,
            engines=_engines(placement, input_name, input_shape, sha256 or name),
            name=name,
        )
        self._input, self._output = input_name, output_name
        dtypes = checked_inputs(self._session, name, {input_name: input_shape})
        check_output(self._session, name, output_name, n_classes)
        self._info = SessionInfo(
            name=name,
            input_shape=input_shape,
            input_dtype=dtypes[input_name],
            n_classes=n_classes,
            setting=setting_of(self._session, place, placement.threads, _options(placement)),
            sha256=sha256,
            reads=reads,
        )
        self._store = DeviceStore(place, self._info) if self._is_bound else None
        self._bindings = Bindings(
            self._session, self._info, place, names=(input_name, output_name),
            is_captured=placement.cuda_graphs,
        )  # fmt: skip

    @property
    def info(self) -> SessionInfo:
        """See `Session.info`."""
        return self._info

    def hold(self, x: NDArray[Any]) -> Held:
        """See `Session.hold`.

        Raises:
            SessionError: the samples have another shape or type, or do not fit into the memory.
        """
        checked_batch(x, self._info)
        return HostSamples(x) if self._store is None else self._store.hold(x)

    def run(self, batch: Any) -> FloatArray:
        """See `Session.run`.

        Raises:
            SessionError: the batch has another shape or type, or the model fails on it.
        """
        if isinstance(batch, DeviceBatch):
            return self._bindings.run(batch)
        if self._store is not None:
            return self._moved(batch)
        checked_batch(batch, self._info)
        (probabilities,) = answers_of(
            self._session, (self._output,), {self._input: batch}, name=self._info.name
        )
        return np.asarray(probabilities, np.float32)

    def warm_up(self, batch_sizes: Sequence[int]) -> None:
        """See `Session.warm_up`."""
        for size in sorted(batch_sizes, reverse=True):
            batch = np.zeros((size, *self._info.input_shape), self._info.input_dtype)
            for _ in range(WARM_UP_CALLS):
                self.run(batch)

    def _moved(self, batch: NDArray[Any]) -> FloatArray:
        held = self.hold(batch)
        try:
            return self.run(held.take(np.arange(len(batch), dtype=np.int64), len(batch)))
        finally:
            held.release()


def answers_of(
    session: onnxruntime.InferenceSession,
    names: Sequence[str],
    feeds: Mapping[str, NDArray[Any]],
    *,
    name: str,
) -> tuple[NDArray[Any], ...]:
    """The outputs `names` of one run.

    Raises:
        SessionError: the model fails.
    """
    try:
        answers = session.run(names, dict(feeds))
    except Exception as cause:
        # ONNX Runtime's exceptions share no base class but Exception.
        n_rows = len(next(iter(feeds.values())))
        message = f"failed on a batch of {n_rows}: {whole_text(cause)}"
        raise SessionError(message, where=name) from cause
    return tuple(np.asarray(answer) for answer in answers)


def checked_inputs(
    session: onnxruntime.InferenceSession, name: str, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, str]:
    """The types of the inputs of a model, which must be those of `shapes` (of one sample).

    Raises:
        SessionError: the model takes something else.
    """
    inputs = {tensor.name: tensor for tensor in session.get_inputs()}
    if set(inputs) != set(shapes):
        wanted = f"one input {next(iter(shapes))!r}" if len(shapes) == 1 else f"{sorted(shapes)}"
        raise SessionError(f"expected {wanted}, got {sorted(inputs)}", where=name)
    for wanted, shape in shapes.items():
        dims = list(inputs[wanted].shape)
        fits = len(dims) == 1 + len(shape) and not isinstance(dims[0], int)
        fixed = [(d, s) for d, s in zip(dims[1:], shape, strict=fits) if isinstance(d, int)]
        if not fits or any(d != s for d, s in fixed):
            raise SessionError(f"expected an input {['batch', *shape]}, got {dims}", where=name)
        if inputs[wanted].type not in NUMPY_TYPES:
            raise SessionError(f"cannot feed an input of type {inputs[wanted].type}", where=name)
    return {tensor: NUMPY_TYPES[inputs[tensor].type] for tensor in shapes}


def check_output(
    session: onnxruntime.InferenceSession, name: str, wanted: str, n_classes: int
) -> None:
    """Does nothing if the model has the output `wanted` of probabilities.

    Raises:
        SessionError: it has not.
    """
    outputs = {tensor.name: tensor for tensor in session.get_outputs()}
    if wanted not in outputs:
        raise SessionError(f"expected an output {wanted!r}, got {sorted(outputs)}", where=name)
    dims = list(outputs[wanted].shape)
    if len(dims) != 2 or (isinstance(dims[1], int) and dims[1] != n_classes):
        raise SessionError(f"expected an output [batch, {n_classes}], got {dims}", where=name)


def _options(placement: Placement) -> dict[str, str]:
    """What of a placement can move a time besides device and threads."""
    if placement.place.kind == "cpu":
        return {}
    return {"cuda_graphs": "on" if placement.cuda_graphs else "off"}


def _engines(
    placement: Placement, input_name: str, input_shape: tuple[int, ...], model: str
) -> EnginePlan | None:
    if placement.place.kind != "tensorrt" or not placement.buckets:
        return None
    gpu = device_name(Device(kind="tensorrt", index=placement.place.index))
    return EnginePlan(
        input_name=input_name,
        input_shape=input_shape,
        buckets=placement.buckets,
        key=engine_key(model, onnxruntime.__version__, gpu, str(placement.buckets)),
    )
