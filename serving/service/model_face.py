"""What a served cascade looks like to clients: its tensors, metadata and configuration.

Names, types and shapes are those of the Triton repositories that `encas triton` writes, so that a
client cannot tell the servers apart by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cascade import Cascade, confidence_of
from ...entries import InputEntry
from ...manifest import Manifest
from ..protocol.cascade_tensors import (
    CONFIDENCE,
    LABEL,
    PROBABILITIES,
    input_tensors,
    output_tensors,
    thresholds_text,
)
from ..protocol.model_config import (
    KIND_CPU,
    KIND_GPU,
    DynamicBatching,
    InstanceGroup,
    ModelConfig,
    QueuePolicy,
    StringValue,
    TensorConfig,
)
from .queueing import QueueLimits
from .request_batch import RequestAnswer

VERSION = "1"
PLATFORM = "encas"
US_PER_S = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFace:
    """A cascade as clients see it.

    Args:
        name: of the model.
        manifest: of its bundle.
        inputs: what a request carries, each once.
        cascade: what runs, with the thresholds in use.
        limits: of its queue.
        device: "cpu", "cuda:0", ...
        n_workers: how many batches run at the same time.
        parameters: further parameters of the configuration.
    """

    name: str
    manifest: Manifest
    inputs: tuple[InputEntry, ...]
    cascade: Cascade
    limits: QueueLimits
    device: str
    n_workers: int
    parameters: Mapping[str, str]

    @property
    def config(self) -> ModelConfig:
        """The configuration, as Triton would have it."""
        parameters = {"thresholds": thresholds_text(self.cascade), **self.parameters}
        return ModelConfig(
            name=self.name,
            platform=PLATFORM,
            max_batch_size=self.limits.max_batch_size,
            input=input_tensors(self.inputs),
            output=output_tensors(self.manifest),
            instance_group=(
                InstanceGroup(
                    kind=KIND_CPU if self.device == "cpu" else KIND_GPU, count=self.n_workers
                ),
            ),
            dynamic_batching=DynamicBatching(
                preferred_batch_size=(self.limits.max_batch_size,),
                max_queue_delay_microseconds=round(self.limits.max_delay_s * US_PER_S),
                default_queue_policy=QueuePolicy(
                    allow_timeout_override=True, max_queue_size=self.limits.max_queue_rows
                ),
            ),
            parameters={key: StringValue(string_value=text) for key, text in parameters.items()},
        )

    def metadata(self) -> dict[str, Any]:
        """The protocol's metadata of the model."""
        config = self.config
        return {
            "name": self.name,
            "versions": [VERSION],
            "platform": PLATFORM,
            "inputs": [_tensor_metadata(tensor) for tensor in config.input],
            "outputs": [_tensor_metadata(tensor) for tensor in config.output],
        }

    def output(self, name: str, answer: RequestAnswer) -> NDArray[Any]:
        """The output `name` of an answer: [n, n_classes] or [n, 1]."""
        if name == PROBABILITIES:
            return answer.probabilities
        if name == CONFIDENCE:
            sure = confidence_of(answer.probabilities, self.cascade.confidence)
            return np.asarray(sure, np.float32)[:, None]
        return (answer.label if name == LABEL else answer.stage)[:, None]


def _tensor_metadata(tensor: TensorConfig) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "datatype": tensor.data_type.removeprefix("TYPE_"),
        "shape": [-1, *tensor.dims],
    }
