"""Samples and answers in the memory of a device: what a batch needs never passes the host.

    host x --once--> device x --gather rows--> buffer --member--> probabilities --> host

A call leases one buffer for each input it reads; a batch of any size lies at its start. Each
session keeps one binding for each pair of buffer and size, with an output of its own, so that
addresses never change: that is what a CUDA graph is captured for (onnxruntime #9978). Everything
here runs on the CPU, too, which is how it is tested.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray
from ..errors import MissingExtraError, SessionError, whole_text
from .device import Device
from .gather_model import gather_model
from .ort_opening import open_session
from .session import SessionInfo

try:
    import onnxruntime
except ImportError as error:
    raise MissingExtraError("running ONNX models", extra="cpu") from error

GRAPH_ID = "gpu_graph_id"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeviceBatch:
    """A batch [size, ...] at the start of a buffer on a device."""

    buffer: onnxruntime.OrtValue
    size: int

    @property
    def address(self) -> int:
        """Where it lies."""
        return self.buffer.data_ptr()


class DeviceStore:
    """The memory on a device that the samples of one input use.

    Args:
        device: where.
        info: of a session that reads the input.
    """

    def __init__(self, device: Device, info: SessionInfo) -> None:
        self._device, self._info = device, info
        self._name = "cpu" if device.kind == "cpu" else "cuda"
        self._gather = open_session(
            gather_model(info.input_dtype, 1 + len(info.input_shape)),
            device=Device(kind="cpu") if self._name == "cpu" else Device(
                kind="cuda", index=device.index
            ),
            n_threads=1,
            name="gathering rows",
        )  # fmt: skip
        self._lock = threading.Lock()
        self._free: list[onnxruntime.OrtValue] = []

    def hold(self, x: NDArray[Any]) -> DeviceSamples:
        """Moves samples to the device.

        Raises:
            SessionError: they do not fit into its memory.
        """
        try:
            there = onnxruntime.OrtValue.ortvalue_from_numpy(
                np.ascontiguousarray(x), self._name, self._device.index
            )
        except Exception as cause:
            # ONNX Runtime's exceptions share no base class but Exception.
            message = f"{x.nbytes} bytes of samples cannot be moved to {self._device}"
            raise SessionError(f"{message}: {whole_text(cause)}", where=self._info.name) from cause
        return DeviceSamples(self, there)

    def lease(self, size: int) -> onnxruntime.OrtValue:
        """A buffer for `size` samples at least, of which nobody else makes use."""
        with self._lock:
            fitting = [buffer for buffer in self._free if buffer.shape()[0] >= size]
            if fitting:
                self._free.remove(fitting[-1])
                return fitting[-1]
        return onnxruntime.OrtValue.ortvalue_from_shape_and_type(
            [size, *self._info.input_shape],
            np.dtype(self._info.input_dtype),
            self._name,
            self._device.index,
        )

    def give_back(self, buffer: onnxruntime.OrtValue) -> None:
        """Ends a lease."""
        with self._lock:
            self._free.append(buffer)

    def gather(self, x: onnxruntime.OrtValue, rows: IntArray, buffer: onnxruntime.OrtValue) -> None:
        """Copies the rows [m] of `x` to the start of a buffer, on the device."""
        binding = self._gather.io_binding()
        binding.bind_ortvalue_input("x", x)
        binding.bind_cpu_input("rows", rows)
        binding.bind_output(
            "y",
            self._name,
            self._device.index,
            np.dtype(self._info.input_dtype),
            [len(rows), *self._info.input_shape],
            buffer.data_ptr(),
        )
        self._gather.run_with_iobinding(binding)


class DeviceSamples:
    """`Held` samples of one call.

    Args:
        store: what they lie in.
        x: all of them, on the device.
    """

    def __init__(self, store: DeviceStore, x: onnxruntime.OrtValue) -> None:
        self._store, self._x = store, x
        self._buffer: onnxruntime.OrtValue | None = None

    def take(self, rows: IntArray, size: int) -> DeviceBatch:
        """See `Held.take`: behind the rows stands the first sample again."""
        if self._buffer is not None and self._buffer.shape()[0] < size:
            self.release()
        if self._buffer is None:
            self._buffer = self._store.lease(size)
        padded = np.zeros(size, np.int64)
        padded[: len(rows)] = rows
        self._store.gather(self._x, padded, self._buffer)
        return DeviceBatch(buffer=self._buffer, size=size)

    def release(self) -> None:
        """See `Held.release`."""
        if self._buffer is not None:
            self._store.give_back(self._buffer)
            self._buffer = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Bound:
    """A batch's place, an answer's place, and how to run between them."""

    binding: onnxruntime.IOBinding
    answers: onnxruntime.OrtValue
    options: onnxruntime.RunOptions | None


class Bindings:
    """Runs one session on batches that lie on its device.

    Args:
        session: what runs.
        info: of it.
        device: where.
        names: of its input and output.
        is_captured: whether each binding is a CUDA graph of its own.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        info: SessionInfo,
        device: Device,
        *,
        names: tuple[str, str],
        is_captured: bool,
    ) -> None:
        self._session, self._info, self._names = session, info, names
        self._device = "cpu" if device.kind == "cpu" else "cuda", device.index
        self._is_captured = is_captured
        self._bound: dict[tuple[int, int], _Bound] = {}
        self._making = threading.Lock()
        # Replays of one session must not overlap.
        self._replaying = threading.Lock()

    def run(self, batch: DeviceBatch) -> FloatArray:
        """Probabilities [size, n_classes] of a batch.

        Raises:
            SessionError: the model fails on it.
        """
        bound = self._bound_to(batch)
        try:
            if self._is_captured:
                with self._replaying:
                    self._session.run_with_iobinding(bound.binding, bound.options)
            else:
                self._session.run_with_iobinding(bound.binding)
            bound.binding.synchronize_outputs()
        except Exception as cause:
            # ONNX Runtime's exceptions share no base class but Exception.
            message = f"failed on a batch of {batch.size}: {whole_text(cause)}"
            raise SessionError(message, where=self._info.name) from cause
        # On the CPU the answers would be a view of memory that the next run overwrites.
        return np.array(bound.answers.numpy(), np.float32)

    def _bound_to(self, batch: DeviceBatch) -> _Bound:
        key = batch.address, batch.size
        with self._making:
            if key not in self._bound:
                self._bound[key] = self._bind(batch, number=len(self._bound) + 1)
            return self._bound[key]

    def _bind(self, batch: DeviceBatch, *, number: int) -> _Bound:
        given, wanted = self._names
        binding = self._session.io_binding()
        shape = [batch.size, *self._info.input_shape]
        dtype = np.dtype(self._info.input_dtype)
        binding.bind_input(given, *self._device, dtype, shape, batch.address)
        answers = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
            [batch.size, self._info.n_classes], np.dtype("float32"), *self._device
        )
        binding.bind_ortvalue_output(wanted, answers)
        options = None
        if self._is_captured:
            options = onnxruntime.RunOptions()
            options.add_run_config_entry(GRAPH_ID, str(number))
        return _Bound(binding=binding, answers=answers, options=options)
