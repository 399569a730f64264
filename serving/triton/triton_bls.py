"""The Triton model that runs a cascade over other Triton models, and leaves early.

The rows of all requests of a batch travel together: each member is called once with the rows that
are left. Parameters: members, thresholds, confidence, combine; reads names the input of each member
where there are several; with buckets, calls are padded to one of those sizes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # pyright: ignore[reportMissingImports] - Triton's
from numpy.typing import NDArray

from ...arrays import FloatArray
from ...cascade import Cascade, Combine, Confidence, Decision, decision_steps
from ...runtime.batching import Batching
from .triton_batch import (
    ExitCounter,
    gathered_inputs,
    numbers_of,
    outputs_of,
    parameters_of,
    responses,
)


class TritonPythonModel:
    """See the documentation of Triton's Python backend."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the cascade from the configuration."""
        config = json.loads(args["model_config"])
        parameters = parameters_of(config)
        confidence: Confidence = parameters["confidence"]  # type: ignore[assignment]
        combine: Combine = parameters["combine"]  # type: ignore[assignment]
        self._cascade = Cascade(
            members=tuple(parameters["members"].split(",")),
            thresholds=numbers_of(parameters["thresholds"]),
            confidence=confidence,
            combine=combine,
        )
        reads = parameters.get("reads")
        self._reads = reads.split(",") if reads else ["input"] * self._cascade.n_stages
        self._batching = Batching(
            max_batch_size=config["max_batch_size"],
            buckets=tuple(int(size) for size in numbers_of(parameters.get("buckets", ""))),
        )
        self._exits = ExitCounter(args["model_name"], self._cascade.n_stages)
        self._memory = pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0)

    async def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        x, rows = gathered_inputs(requests, list(dict.fromkeys(self._reads)))
        decision = await self._decided(x, sum(rows))
        self._exits.add(decision.stage)
        return responses(outputs_of(decision, self._cascade), rows)

    async def _decided(self, x: Mapping[str, NDArray[Any]], n_samples: int) -> Decision:
        steps = decision_steps(self._cascade, n_samples=n_samples)
        j, left = next(steps)
        while True:
            samples = x[self._reads[j]]
            samples = samples if len(left) == n_samples else samples[left]
            probabilities = await self._outputs(self._cascade.members[j], samples)
            try:
                j, left = steps.send(probabilities)
            except StopIteration as end:
                return end.value

    async def _outputs(self, member: str, samples: NDArray[Any]) -> FloatArray:
        """Probabilities [n, n_classes] of a member for samples [n, ...]."""
        found = []
        for piece in self._batching.pieces(len(samples)):
            response = await pb_utils.InferenceRequest(
                model_name=member,
                requested_output_names=["probabilities"],
                inputs=[pb_utils.Tensor("input", np.ascontiguousarray(piece.padded(samples)))],
                preferred_memory=self._memory,
            ).async_exec()
            if response.has_error():
                raise pb_utils.TritonModelException(f"{member}: {response.error().message()}")
            tensor = pb_utils.get_output_tensor_by_name(response, "probabilities")
            found.append(tensor.as_numpy()[: piece.stop - piece.start])
        return found[0] if len(found) == 1 else np.concatenate(found)
