"""Triton models that are ONNX files: the same tensors on either backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..protocol.cascade_tensors import INPUT
from ..protocol.model_config import (
    KIND_CPU,
    KIND_GPU,
    REJECT,
    Accelerator,
    DynamicBatching,
    ExecutionAccelerators,
    InstanceGroup,
    ModelConfig,
    Optimization,
    QueuePolicy,
    StringValue,
    TensorConfig,
    Warmup,
    WarmupInput,
)
from .layout_options import US_PER_MS, LayoutOptions
from .vendoring import model_files

NAN_FILE = "nan"
ENGINE_CACHE = "/var/cache/encas/tensorrt"
CUDA_OPTIONS = {
    "arena_extend_strategy": "kSameAsRequested",
    "cudnn_conv_algo_search": "HEURISTIC",
    "use_tf32": "0",
}
NUMPY_TYPES = {"TYPE_FP16": np.float16, "TYPE_FP32": np.float32}

Files = Mapping[str, "bytes | str | Path"]


def onnx_model(
    config: ModelConfig, options: LayoutOptions, files: Files, *, is_cascade: bool
) -> tuple[ModelConfig, Files]:
    """A model whose file `1/model.onnx` is among `files`, on the backend of the options.

    Args:
        config: name and tensors; the rest is filled in.
        options: what the user chose.
        files: of the model so far.
        is_cascade: whether the exits are in the file; it is then warmed up with NaN, which is above
            no threshold and goes through all members.
    """
    nans = _nan_samples(config.input) if is_cascade else {}
    samples = {name: _nan_file(name) for name in nans}
    config = replace(
        config,
        instance_group=(instances(options),),
        model_warmup=_warmups(config.input, options, samples),
        parameters={**config.parameters, **_threads(options)},
    )
    files = {**files, **{f"warmup/{samples[name]}": content for name, content in nans.items()}}
    if options.backend == "python":
        config = replace(config, backend="python", output=tuple(map(_whole, config.output)))
        code = {f"1/{path}": text for path, text in model_files("triton_member").items()}
        return config, {**files, **code}
    accelerators = _accelerators(config, options, is_cascade=is_cascade)
    return replace(
        config,
        backend="onnxruntime",
        default_model_filename="model.onnx",
        optimization=Optimization(execution_accelerators=accelerators) if accelerators else None,
    ), files


def instances(options: LayoutOptions) -> InstanceGroup:
    """The copies of a model that runs sessions."""
    kind = KIND_GPU if options.target == "gpu" else KIND_CPU
    return InstanceGroup(kind=kind, count=options.instances)


def queue(options: LayoutOptions) -> DynamicBatching:
    """The queue of a model that clients call."""
    return DynamicBatching(
        max_queue_delay_microseconds=round(options.max_delay_ms * US_PER_MS),
        default_queue_policy=QueuePolicy(
            timeout_action=REJECT,
            allow_timeout_override=True,
            max_queue_size=options.max_queue,
        ),
    )


def warm_up(tensors: Sequence[TensorConfig], size: int, samples: Mapping[str, str]) -> Warmup:
    """A warm-up of one batch size with zeros; inputs in `samples` take that file instead."""
    contents = {
        tensor.name: WarmupInput(
            data_type=tensor.data_type,
            dims=tensor.dims,
            zero_data=None if tensor.name in samples else True,
            input_data_file=samples.get(tensor.name),
        )
        for tensor in tensors
    }
    return Warmup(name=f"rows_{size}", batch_size=size, inputs=contents)


def _warmups(
    tensors: Sequence[TensorConfig], options: LayoutOptions, samples: Mapping[str, str]
) -> tuple[Warmup, ...]:
    """Every bucket; the smallest and the largest first, between which TensorRT then has a range."""
    first = dict.fromkeys((options.buckets[0], options.buckets[-1]))
    sizes = (*first, *options.buckets[1:-1])
    return tuple(warm_up(tensors, size, samples) for size in sizes)


def _nan_samples(tensors: Sequence[TensorConfig]) -> dict[str, bytes]:
    dtypes = {tensor.name: NUMPY_TYPES.get(tensor.data_type) for tensor in tensors}
    return {
        tensor.name: np.full(tensor.dims, np.nan, dtype).tobytes()
        for tensor in tensors
        if (dtype := dtypes[tensor.name]) is not None
    }


def _nan_file(name: str) -> str:
    return NAN_FILE if name == INPUT else f"{NAN_FILE}_{name}"


def _threads(options: LayoutOptions) -> dict[str, StringValue]:
    if options.target == "gpu" or options.threads is None:
        return {}
    return {"intra_op_thread_count": StringValue(string_value=str(options.threads))}


def _accelerators(
    config: ModelConfig, options: LayoutOptions, *, is_cascade: bool
) -> ExecutionAccelerators | None:
    if options.target == "cpu":
        return None
    cuda = Accelerator(name="cuda", parameters=CUDA_OPTIONS)
    if not options.tensorrt:
        return ExecutionAccelerators(gpu_execution_accelerator=(cuda,))
    cache = {
        "precision_mode": "FP32",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": f"{ENGINE_CACHE}/{config.name}",
    }
    # Profiles have to name every input of every part that TensorRT gets. Of a cascade it gets
    # parts that begin at the exits: there the warm-ups show it the sizes.
    profiles = {} if is_cascade else _profiles(config.input[0], options.buckets)
    tensorrt = Accelerator(name="tensorrt", parameters={**cache, **profiles})
    return ExecutionAccelerators(gpu_execution_accelerator=(tensorrt, cuda))


def _profiles(tensor: TensorConfig, buckets: tuple[int, ...]) -> dict[str, str]:
    """A profile for each bucket: from the size behind the smaller one to its own."""
    smallest = (1, *(size + 1 for size in buckets[:-1]))
    return {
        "trt_profile_min_shapes": _shapes(tensor, smallest),
        "trt_profile_opt_shapes": _shapes(tensor, buckets),
        "trt_profile_max_shapes": _shapes(tensor, buckets),
    }


def _shapes(tensor: TensorConfig, sizes: tuple[int, ...]) -> str:
    dims = "x".join(map(str, tensor.dims))
    return ",".join(f"{tensor.name}:{size}x{dims}" for size in sizes)


def _whole(tensor: TensorConfig) -> TensorConfig:
    """The Python backend gives the shape that clients get."""
    return replace(tensor, reshape=None)
