"""The Triton model that runs an ONNX file on servers without the ONNX Runtime backend.

Same names and tensors as with that backend; the file `model.onnx` lies beside the model file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...processors import usable_processors
from ...runtime.device import Device
from ...runtime.ort_opening import open_session
from .triton_batch import gathered_inputs, parameters_of, responses


class TritonPythonModel:
    """See the documentation of Triton's Python backend."""

    def initialize(self, args: dict[str, str]) -> None:
        """Opens the file."""
        config = json.loads(args["model_config"])
        parameters = parameters_of(config)
        is_gpu = args["model_instance_kind"] == "GPU"
        device = f"cuda:{args['model_instance_device_id']}" if is_gpu else "cpu"
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._names = [output["name"] for output in config["output"]]
        self._shapes = [(-1, *output["dims"]) for output in config["output"]]
        self._session = open_session(
            Path(args["model_repository"], args["model_version"], "model.onnx"),
            device=Device.parse(device),
            n_threads=int(parameters.get("intra_op_thread_count", usable_processors())),
            name=args["model_name"],
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        x, rows = gathered_inputs(requests, self._inputs)
        found = self._session.run(self._names, x)
        arrays = [np.asarray(a).reshape(s) for a, s in zip(found, self._shapes, strict=True)]
        return responses(dict(zip(self._names, arrays, strict=True)), rows)
