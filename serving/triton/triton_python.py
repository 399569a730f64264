"""The Triton model that holds a whole bundle: the executor of this package inside Triton.

The bundle lies beside the model file. Parameter: thresholds.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...cascade import Decision
from ...manifest import Manifest
from ...runtime.batching import Batching
from ...runtime.executor import Runner
from ...runtime.loading import Placement, open_members
from .triton_batch import (
    ExitCounter,
    gathered_inputs,
    numbers_of,
    outputs_of,
    parameters_of,
    responses,
)

BUNDLE = "bundle"


class TritonPythonModel:
    """See the documentation of Triton's Python backend."""

    def initialize(self, args: dict[str, str]) -> None:
        """Verifies, loads and warms up the bundle."""
        config = json.loads(args["model_config"])
        parameters = parameters_of(config)
        bundle = Path(args["model_repository"], args["model_version"], BUNDLE)
        manifest = Manifest.load(bundle)
        is_gpu = args["model_instance_kind"] == "GPU"
        placement = Placement(
            device=f"cuda:{args['model_instance_device_id']}" if is_gpu else "cpu",
            n_threads=int(parameters["threads"]) if "threads" in parameters else None,
        )
        self._inputs = [entry.name for entry in manifest.inputs]
        self._runner = Runner(
            replace(manifest.cascade, thresholds=numbers_of(parameters["thresholds"])),
            open_members(bundle, manifest, placement),
            batching=Batching(
                max_batch_size=config["max_batch_size"],
                buckets=tuple(int(size) for size in numbers_of(parameters.get("buckets", ""))),
            ),
        )
        self._runner.warm_up()
        self._exits = ExitCounter(args["model_name"], manifest.cascade.n_stages)

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        x, rows = gathered_inputs(requests, self._inputs)
        prediction = self._runner(x)
        decision = Decision(
            probabilities=prediction.probabilities, label=prediction.label, stage=prediction.stage
        )
        self._exits.add(decision.stage)
        return responses(outputs_of(decision, self._runner.cascade), rows)
