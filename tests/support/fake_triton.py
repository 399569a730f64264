"""A stand-in for what Triton gives its Python models, and repositories to run them from."""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from encas.serving.protocol.model_config_text import parsed_text
from encas.serving.triton.layout_options import LayoutOptions
from encas.serving.triton.repository import write_repository

SHAPE = (1, 4, 4)
HOW = {"size": [4, 4], "resize": 4, "mean": [0.5], "std": [0.25]}


@dataclass
class FakeTriton:
    """Triton's module `triton_python_backend_utils`: tensors, responses, metrics, other models."""

    models: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)
    counts: dict = field(default_factory=dict)

    TRITONSERVER_MEMORY_CPU = 0

    class TritonModelException(Exception):  # noqa: N818 - Triton's name
        pass

    class Tensor:
        def __init__(self, name, array):
            self.name, self.array = name, array

        def as_numpy(self):
            return self.array

    class TritonError:
        INVALID_ARG = 3

        def __init__(self, text, code=None):
            self.text, self.code = text, code

        def message(self):
            return self.text

    class InferenceResponse:
        def __init__(self, tensors=(), error=None):
            self.tensors, self._error = {t.name: t.array for t in tensors}, error

        def has_error(self):
            return self._error is not None

        def error(self):
            return self._error

    def PreferredMemory(self, kind, index):
        return (kind, index)

    def get_input_tensor_by_name(self, request, name):
        return self.Tensor(name, request[name])

    def get_output_tensor_by_name(self, response, name):
        return self.Tensor(name, response.tensors[name])

    def triton_string_to_numpy(self, name):
        return {"TYPE_FP16": np.float16, "TYPE_FP32": np.float32}[name]

    def InferenceRequest(self, *, model_name, requested_output_names, inputs, preferred_memory):
        assert requested_output_names == ["probabilities"]

        async def answer():
            self.calls.append((model_name, len(inputs[0].array)))
            outputs = self.models[model_name](inputs[0].array)
            if isinstance(outputs, str):
                return self.InferenceResponse(error=self.TritonError(outputs))
            return self.InferenceResponse([self.Tensor("probabilities", outputs)])

        return SimpleNamespace(async_exec=answer)

    @property
    def MetricFamily(self):
        counts = self.counts

        class MetricFamily:
            COUNTER = "counter"

            def __init__(self, *, name, description, kind):
                assert (name, kind) == ("encas_exits_total", "counter")

            def Metric(self, *, labels):
                key = (labels["model"], labels["stage"])
                counts[key] = 0
                return SimpleNamespace(increment=lambda n: counts.update({key: counts[key] + n}))

        return MetricFamily


def arguments(repository, name):
    """What Triton hands to `initialize`."""
    config = parsed_text((repository / name / "config.pbtxt").read_text(), where=name)
    values = {
        "max_batch_size": config.max_batch_size,
        "parameters": {k: {"string_value": v.string_value} for k, v in config.parameters.items()},
        "input": [{"name": tensor.name} for tensor in config.input],
        "output": [
            {"name": o.name, "dims": list(o.dims), "data_type": "TYPE_FP32"} for o in config.output
        ],
    }
    return {
        "model_config": json.dumps(values),
        "model_repository": str(repository / name),
        "model_version": "1",
        "model_name": name,
        "model_instance_kind": "CPU",
        "model_instance_device_id": "0",
    }


def written(bundle, folder, **values):
    """A repository of one bundle for a CPU without the ONNX Runtime backend, or as `values` say."""
    options = LayoutOptions(**{"target": "cpu", "backend": "python", "threads": 1, **values})
    return write_repository([bundle], folder / "models", options).path


def samples(*sizes):
    """Random samples of some requests."""
    rng = np.random.default_rng(3)
    return [rng.normal(0, 1, (n, *SHAPE)).astype(np.float32) for n in sizes]


def requests_of(x, *sizes):
    """Samples of several inputs, by name, as requests of so many rows each."""
    starts = np.cumsum((0, *sizes))
    return [
        {name: array[start:stop] for name, array in x.items()} for start, stop in pairwise(starts)
    ]


def joined(responses, name):
    """An output of all responses, one after the other."""
    return np.concatenate([response.tensors[name] for response in responses])


def config_of(folder: Path) -> Any:
    """The configuration of a model's folder, as Triton's own message."""
    return text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
