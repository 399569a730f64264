"""Opens ONNX models in ONNX Runtime: on the provider that was asked for, and on no other.

Facts behind the options: idle thread pools that spin slow down the other sessions of a cascade
(onnxruntime #17011); an exhaustive convolution search costs seconds for each new batch size
(#23006); TF32 moves probabilities by 1e-3 (#19288); a provider that cannot load is replaced by
the CPU without an error (#25609). Every session has an arena of its own that never shrinks, so
that a cascade of k members holds k peaks: on the CPU all sessions share one here, which grows by
no more than what is asked for (#9509).
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from ..errors import MissingExtraError, SessionError, whole_text
from ..latency import Setting
from .device import Device, device_name
from .engines import EnginePlan

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
SAME_AS_REQUESTED = 1


def open_session(
    model: bytes | Path,
    *,
    device: Device,
    n_threads: int,
    gpu_memory_bytes: int | None = None,
    cuda_graphs: bool = False,
    engines: EnginePlan | None = None,
    name: str = "model",
) -> onnxruntime.InferenceSession:
    """Opens a model on the provider for `device`, and on no other.

    Args:
        model: the ONNX file, or its content.
        device: where it runs.
        n_threads: intra-operator threads.
        gpu_memory_bytes: the most that the session's arena may take on a GPU; None: no limit.
        cuda_graphs: whether runs can be captured as CUDA graphs.
        engines: what TensorRT builds; None: as batches come.
        name: for errors.

    Raises:
        SessionError: the model cannot be loaded, or the provider does not really load.
    """
    wanted = PROVIDERS[device.kind]
    if wanted not in onnxruntime.get_available_providers():
        raise SessionError(_not_loaded(wanted, device), where=name)
    if device.kind != "cpu" and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    providers = provider_options(
        device, gpu_memory_bytes=gpu_memory_bytes, cuda_graphs=cuda_graphs, engines=engines
    )
    source = str(model) if isinstance(model, Path) else model
    try:
        session = onnxruntime.InferenceSession(
            source,
            sess_options=session_options(n_threads),
            providers=providers,
            enable_fallback=0,  # it says on stdout what it falls back to
        )
    except Exception as cause:
        # ONNX Runtime's exceptions share no base class but Exception.
        raise SessionError(_load_fault(cause, cuda_graphs), where=name) from cause
    if session.get_providers()[0] != wanted:
        raise SessionError(_not_loaded(wanted, device), where=name)
    return session


def session_options(n_threads: int) -> onnxruntime.SessionOptions:
    """Explicit threads that sleep when they have nothing to do, memory shared by all sessions."""
    _share_cpu_arena()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = QUIET
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    return options


def provider_options(
    device: Device,
    *,
    gpu_memory_bytes: int | None = None,
    cuda_graphs: bool = False,
    engines: EnginePlan | None = None,
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
        return [(CUDA, cuda | ({"enable_cuda_graph": "1"} if cuda_graphs else {})), CPU]
    tensorrt = {"device_id": str(device.index), "trt_fp16_enable": "0", "trt_int8_enable": "0"}
    if cuda_graphs:
        tensorrt["trt_cuda_graph_enable"] = "1"
    if engines is not None:
        tensorrt |= engines.provider_options()
    return [(TENSORRT, tensorrt), (CUDA, cuda), CPU]


def setting_of(
    session: onnxruntime.InferenceSession,
    device: Device,
    n_threads: int,
    options: Mapping[str, str],
) -> Setting:
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
        options=options,
    )


@cache
def _share_cpu_arena() -> None:
    """Makes the one arena of this process that sessions with `use_env_allocators` share."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    arena = onnxruntime.OrtArenaCfg(
        {
            "max_mem": 0,
            "arena_extend_strategy": SAME_AS_REQUESTED,
            "initial_chunk_size_bytes": -1,
            "max_dead_bytes_per_chunk": -1,
        }
    )
    onnxruntime.create_and_register_allocator(memory, arena)


def _load_fault(cause: Exception, cuda_graphs: bool) -> str:
    reason = whole_text(cause)
    if cuda_graphs and "graph capture" in reason.lower():
        return f"cannot be captured as a CUDA graph, run it without --cuda-graphs: {reason}"
    return f"cannot be loaded: {reason}"


def _not_loaded(provider: str, device: Device) -> str:
    return f"{provider} does not load here, so nothing can run on {device}; {REMEDIES[provider]}"
