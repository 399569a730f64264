"""Sessions of ONNX Runtime: one member on one device, on the provider that was asked for.

Facts behind the options: idle thread pools that spin slow down the other sessions of a cascade
(onnxruntime #17011); an exhaustive convolution search costs seconds for each new batch size
(#23006); TF32 moves probabilities by 1e-3 (#19288); a provider that cannot load is replaced by
the CPU without an error (#25609).
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray
from ..errors import MissingExtraError, SessionError
from ..latency import Setting
from .device import Device, device_name, usable_processors
from .session import SessionInfo, checked_batch

try:
    import onnxruntime
except ImportError as error:
    raise MissingExtraError("running ONNX models", extra="cpu") from error

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
PROVIDERS = {"cpu": CPU, "cuda": CUDA, "tensorrt": TENSORRT}
REMEDIES = {
    CPU: "pip install 'encas[cpu]'",
    CUDA: "it needs an NVIDIA driver, pip install 'encas[gpu]' and no onnxruntime beside it; "
    "`encas doctor` shows what is missing",
    TENSORRT: "it needs TensorRT's libraries beside what CUDA needs; "
    "`encas doctor` shows what is missing",
}
NUMPY_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}
QUIET = 4
WARM_UP_CALLS = 3
NO_FEEDS: Mapping[str, NDArray[Any]] = {}


class OrtSession:
    """A `Session` of ONNX Runtime.

    Args:
        model: the ONNX file, or its content. Weights outside the content are found only where a
            path is given.
        name: the member's name.
        input_shape: of one sample.
        n_classes: length of a probability row.
        device: "cpu", "cuda", "cuda:1", "tensorrt", ...
        n_threads: intra-operator threads; None: every processor that this process may use.
        gpu_memory_bytes: the most that the session's arena may take on a GPU; None: no limit.
        input_name: of the input.
        output_name: of the probabilities.
        sha256: of the file, kept with measured times.

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
        device: str = "cpu",
        n_threads: int | None = None,
        gpu_memory_bytes: int | None = None,
        input_name: str = "input",
        output_name: str = "probabilities",
        sha256: str = "",
    ) -> None:
        place = Device.parse(device)
        n_threads = n_threads or usable_processors()
        self._session = open_session(
            model, device=place, n_threads=n_threads, gpu_memory_bytes=gpu_memory_bytes, name=name
        )
        self._input, self._output = input_name, output_name
        dtype = _checked_input(self._session, name, input_name, input_shape)
        _check_output(self._session, name, output_name, n_classes)
        self._info = SessionInfo(
            name=name,
            input_shape=input_shape,
            input_dtype=dtype,
            n_classes=n_classes,
            setting=setting_of(self._session, place, n_threads),
            sha256=sha256,
        )

    @property
    def info(self) -> SessionInfo:
        """See `Session.info`."""
        return self._info

    def run(self, batch: NDArray[Any]) -> FloatArray:
        """See `Session.run`.

        Raises:
            SessionError: the batch has another shape or type, or the model fails on it.
        """
        (probabilities,) = self.outputs((self._output,), batch)
        return np.asarray(probabilities, np.float32)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of all outputs that the model has."""
        return tuple(tensor.name for tensor in self._session.get_outputs())

    def outputs(
        self,
        names: Sequence[str],
        batch: NDArray[Any],
        *,
        more: Mapping[str, NDArray[Any]] = NO_FEEDS,
    ) -> tuple[NDArray[Any], ...]:
        """The outputs `names` for a batch [n, *input_shape].

        Args:
            names: which outputs.
            batch: the samples.
            more: values for inputs that have a default.

        Raises:
            SessionError: the batch has another shape or type, or the model fails on it.
        """
        checked_batch(batch, self._info)
        try:
            answers = self._session.run(names, {self._input: batch, **more})
        except Exception as cause:
            # ONNX Runtime's exceptions share no base class but Exception.
            message = f"failed on a batch of {len(batch)}: {_first_line(cause)}"
            raise SessionError(message, where=self._info.name) from cause
        return tuple(np.asarray(answer) for answer in answers)

    def warm_up(self, batch_sizes: Sequence[int]) -> None:
        """See `Session.warm_up`."""
        for size in batch_sizes:
            batch = np.zeros((size, *self._info.input_shape), self._info.input_dtype)
            for _ in range(WARM_UP_CALLS):
                self.run(batch)


def open_session(
    model: bytes | Path,
    *,
    device: Device,
    n_threads: int,
    gpu_memory_bytes: int | None = None,
    name: str = "model",
) -> onnxruntime.InferenceSession:
    """Opens a model on the provider for `device`, and on no other.

    Raises:
        SessionError: the model cannot be loaded, or the provider does not really load.
    """
    wanted = PROVIDERS[device.kind]
    if wanted not in onnxruntime.get_available_providers():
        raise SessionError(_not_loaded(wanted, device), where=name)
    if device.kind != "cpu" and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    providers = provider_options(device, gpu_memory_bytes=gpu_memory_bytes)
    source = str(model) if isinstance(model, Path) else model
    try:
        session = onnxruntime.InferenceSession(
            source, sess_options=session_options(n_threads), providers=providers
        )
    except Exception as cause:
        # ONNX Runtime's exceptions share no base class but Exception.
        raise SessionError(f"cannot be loaded: {_first_line(cause)}", where=name) from cause
    if session.get_providers()[0] != wanted:
        raise SessionError(_not_loaded(wanted, device), where=name)
    session.disable_fallback()
    return session


def session_options(n_threads: int) -> onnxruntime.SessionOptions:
    """Explicit threads that sleep when they have nothing to do."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = QUIET
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def provider_options(
    device: Device, *, gpu_memory_bytes: int | None = None
) -> list[str | tuple[str, dict[str, str]]]:
    """The providers of a session on `device`, the wanted one first, with their options."""
    if device.kind == "cpu":
        return [CPU]
    cuda = {
        "device_id": str(device.index),
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
        "arena_extend_strategy": "kSameAsRequested",
    }
    if gpu_memory_bytes is not None:
        cuda["gpu_mem_limit"] = str(gpu_memory_bytes)
    if device.kind == "cuda":
        return [(CUDA, cuda), CPU]
    tensorrt = {"device_id": str(device.index), "trt_fp16_enable": "0", "trt_int8_enable": "0"}
    return [(TENSORRT, tensorrt), (CUDA, cuda), CPU]


def setting_of(session: onnxruntime.InferenceSession, device: Device, n_threads: int) -> Setting:
    """Where a session runs, for the times that are measured with it."""
    return Setting(
        device=str(device),
        device_name=device_name(device),
        provider=session.get_providers()[0],
        n_threads=n_threads,
        versions={
            "numpy": np.__version__,
            "onnxruntime": onnxruntime.__version__,
            "python": platform.python_version(),
        },
    )


def _checked_input(
    session: onnxruntime.InferenceSession, name: str, wanted: str, shape: tuple[int, ...]
) -> str:
    inputs = {tensor.name: tensor for tensor in session.get_inputs()}
    if list(inputs) != [wanted]:
        raise SessionError(f"expected one input {wanted!r}, got {sorted(inputs)}", where=name)
    tensor = inputs[wanted]
    dims = list(tensor.shape)
    fits = len(dims) == 1 + len(shape) and not isinstance(dims[0], int)
    if not fits or any(isinstance(d, int) and d != s for d, s in zip(dims[1:], shape, strict=True)):
        expected = ["batch", *shape]
        raise SessionError(f"expected an input {expected}, got {dims}", where=name)
    if tensor.type not in NUMPY_TYPES:
        raise SessionError(f"cannot feed an input of type {tensor.type}", where=name)
    return NUMPY_TYPES[tensor.type]


def _check_output(
    session: onnxruntime.InferenceSession, name: str, wanted: str, n_classes: int
) -> None:
    outputs = {tensor.name: tensor for tensor in session.get_outputs()}
    if wanted not in outputs:
        raise SessionError(f"expected an output {wanted!r}, got {sorted(outputs)}", where=name)
    dims = list(outputs[wanted].shape)
    if len(dims) != 2 or (isinstance(dims[1], int) and dims[1] != n_classes):
        raise SessionError(f"expected an output [batch, {n_classes}], got {dims}", where=name)


def _not_loaded(provider: str, device: Device) -> str:
    return f"{provider} does not load here, so nothing can run on {device}; {REMEDIES[provider]}"


def _first_line(cause: Exception) -> str:
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__
