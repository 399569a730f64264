"""A catalogue of real bundles in this process, and requests for their models."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from encas.runtime.placement import Placement
from encas.serving.protocol.protocol import InferAnswer, InferRequest, InputTensor
from encas.serving.server import ServerOptions
from encas.serving.service.front_model import FrontOptions
from encas.serving.service.model_catalog import Catalog
from encas.serving.service.network import NetworkOptions
from encas.serving.service.opening import BundleSource, ModelOptions
from encas.serving.service.prometheus import Metrics
from encas.serving.service.queueing import QueueLimits
from encas.serving.service.shared_memory import SharedMemory

SHAPE = (1, 4, 4)
OPTIONS = ModelOptions(
    limits=QueueLimits(max_batch_size=16, max_queue_rows=64), placement=Placement(n_threads=1)
)


def with_catalog(
    bundles: Path,
    work: Callable[[Catalog], Awaitable[Any]],
    *,
    names: tuple[str, ...] = ("three", "two"),
    options: ModelOptions = OPTIONS,
    front: FrontOptions | None = None,
) -> Any:
    """What `work` gives for a catalogue of bundles, which is closed afterwards."""

    async def live() -> Any:
        sources = tuple(BundleSource(name=name, folder=bundles / name) for name in names)
        server = ServerOptions(
            sources=sources, models=options, network=NetworkOptions(), front=front
        )
        memory = SharedMemory(is_allowed=True)
        catalog = Catalog(server.openers(), n_workers=1, memory=memory, metrics=Metrics())
        try:
            await catalog.open()
            return await work(catalog)
        finally:
            await catalog.close()

    return asyncio.run(live())


def request_for(x: np.ndarray, model: str = "three") -> InferRequest:
    """A request for float32 samples [n, ...]."""
    tensor = InputTensor(name="input", datatype="FP32", shape=x.shape, content=x.tobytes())
    return InferRequest(model=model, inputs=(tensor,))


def request_for_all(x: Mapping[str, np.ndarray], model: str) -> InferRequest:
    """A request for float32 samples [n, ...] of several inputs, by name."""
    tensors = [
        InputTensor(name=name, datatype="FP32", shape=array.shape, content=array.tobytes())
        for name, array in x.items()
    ]
    return InferRequest(model=model, inputs=tuple(tensors))


def samples(n: int, seed: int = 0) -> np.ndarray:
    """Random samples [n, 1, 4, 4]."""
    return np.random.default_rng(seed).normal(0, 1, (n, *SHAPE)).astype(np.float32)


def output_of(answer: InferAnswer, name: str) -> np.ndarray:
    """An output of an answer."""
    return next(tensor.data for tensor in answer.outputs if tensor.name == name)
