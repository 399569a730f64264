"""A service in this process whose one model needs no ONNX file and no network.

The model `echo` has the members `a` and `b`, three classes and the threshold 0.5. Its samples are
the probabilities that both members give: [0.6, 0.3, 0.1] leaves at stage 1, [0.4, 0.3, 0.3] at 2.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from encas.cascade import Cascade, decide
from encas.entries import MemberEntry
from encas.manifest import Manifest
from encas.runtime.executor import Prediction
from encas.serving.protocol.model_config_text import overridden_thresholds
from encas.serving.protocol.protocol import InferRequest, InputTensor
from encas.serving.service.model_catalog import Catalog
from encas.serving.service.model_face import ModelFace
from encas.serving.service.opening import Opener, OpenModel
from encas.serving.service.prometheus import Metrics
from encas.serving.service.queueing import QueueLimits
from encas.serving.service.request_batch import Variant
from encas.serving.service.server_settings import LOGGER, LogSettings
from encas.serving.service.service import Service
from encas.serving.service.shared_memory import SharedMemory

CASCADE = Cascade(members=("a", "b"), thresholds=(0.5,))
SURE, UNSURE = [0.6, 0.3, 0.1], [0.4, 0.3, 0.3]
# No test takes so long; one that waits for what never comes fails then.
TOO_LONG_S = 60
LIMITS = QueueLimits(max_batch_size=4, max_queue_rows=8)


def small_manifest(**values: Any) -> Manifest:
    """The manifest of the model, with other values where some are given."""
    members = tuple(
        MemberEntry(name=name, file=f"members/{name}.onnx", sha256="0" * 64, bytes=1)
        for name in CASCADE.members
    )
    given = {"name": "echo", "cascade": CASCADE, "members": members, "n_classes": 3}
    return Manifest(**{**given, "input_shape": (3,), "classes": ("ant", "bee", "cat"), **values})


def small_face(limits: QueueLimits = LIMITS, **values: Any) -> ModelFace:
    """What clients see of the model, with other values where some are given."""
    given = {
        "name": "echo",
        "manifest": small_manifest(),
        "inputs": values.get("manifest", small_manifest()).inputs,
        "cascade": CASCADE,
        "limits": limits,
        "device": "cpu",
        "n_workers": 1,
        "parameters": {"members": "a,b"},
    }
    return ModelFace(**{**given, **values})


@dataclass(frozen=True)
class EchoPredictor:
    """A cascade whose samples float32 [n, 3] are what every member answers."""

    cascade: Cascade = CASCADE

    def __call__(self, x: np.ndarray) -> Prediction:
        found = decide(self.cascade, lambda _j, rows: x[rows], n_samples=len(x))
        return Prediction(label=found.label, stage=found.stage, probabilities=found.probabilities)


def small_opener(limits: QueueLimits = LIMITS, predictor: Any = None) -> Opener:
    """What opens the model."""

    async def open_it(_bundles: Mapping[str, Any], override: str | None) -> OpenModel:
        face, runs = small_face(limits), predictor or EchoPredictor()
        thresholds = None if override is None else overridden_thresholds(face.config, override)
        if thresholds is not None:
            face = replace(face, cascade=replace(CASCADE, thresholds=thresholds))
            runs = EchoPredictor(face.cascade)
        variant = Variant(name="echo", predictor=runs)
        return OpenModel(face=face, choose=lambda _load: variant)

    return open_it


def with_service(
    work: Callable[[Service], Awaitable[Any]], *, is_open: bool = True, **options: Any
) -> Any:
    """What `work` gives for a service of the model, which is gone afterwards."""

    async def live() -> Any:
        memory, metrics = SharedMemory(is_allowed=True), Metrics()
        openers = {"echo": small_opener(**options)}
        catalog = Catalog(openers, n_workers=1, memory=memory, metrics=metrics)
        if is_open:
            await catalog.open()
        level = LOGGER.level
        try:
            return await work(Service(catalog, memory=memory, metrics=metrics, logs=LogSettings()))
        finally:
            LOGGER.setLevel(level)
            await catalog.close()

    return asyncio.run(asyncio.wait_for(live(), TOO_LONG_S))


def request_of(*rows: list[float], **values: Any) -> InferRequest:
    """A request for samples of the model, as raw float32."""
    x = np.array(rows, np.float32).reshape(len(rows), 3)
    tensor = InputTensor(name="input", datatype="FP32", shape=x.shape, content=x.tobytes())
    return InferRequest(**{"model": "echo", "inputs": (tensor,), **values})
