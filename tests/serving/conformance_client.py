"""A client of a server, the same over HTTP and gRPC: what the checks of conformance.py ask with."""

from dataclasses import dataclass

import numpy as np
import tritonclient.http
from tritonclient.utils import InferenceServerException

TOLERANCE = 1e-5


@dataclass
class Samples:
    """Rows of every input, by its name."""

    arrays: dict

    def __len__(self):
        return len(self.arrays["input"])

    def __getitem__(self, rows):
        return Samples({name: array[rows] for name, array in self.arrays.items()})


@dataclass
class Context:
    """A client library, a client of it, the model and what it answers."""

    library: object
    client: object
    address: str
    model: str
    x: Samples
    label: np.ndarray
    stage: np.ndarray
    probabilities: np.ndarray

    @property
    def is_http(self) -> bool:
        return self.library is tritonclient.http

    @property
    def max_batch_size(self) -> int:
        return self.json(self.client.get_model_config, "config")["max_batch_size"]

    def json(self, call, key=None, *arguments):
        """What a call of either client gives, as a dict."""
        named = (self.model,) if call.__name__.startswith("get_model_") and not arguments else ()
        if call.__name__ == "get_model_repository_index":
            named = ()
        if self.is_http:
            return call(*named, *arguments)
        value = call(*named, *arguments, as_json=True)
        value = value.get(key, value) if key else value
        return numbers(value)

    def inputs(self, x, **binary):
        return [self.tensor(name, array, **binary) for name, array in x.arrays.items()]

    def tensor(self, name, x, **binary):
        tensor = self.library.InferInput(name, list(x.shape), "FP32")
        tensor.set_data_from_numpy(np.ascontiguousarray(x), **(binary if self.is_http else {}))
        return tensor

    def output(self, name, *, binary=True, **options):
        if self.is_http:
            options["binary_data"] = binary
        return self.library.InferRequestedOutput(name, **options)

    def infer(self, x, **options):
        return self.client.infer(self.model, self.inputs(x), **options)

    def check(self, result, rows):
        """Whether a result is the expected answer for the samples `rows`."""
        equal(result.as_numpy("label").ravel(), self.label[rows])
        equal(result.as_numpy("stage").ravel(), self.stage[rows])
        difference = np.abs(result.as_numpy("probabilities") - self.probabilities[rows]).max()
        assert difference <= TOLERANCE, f"probabilities differ by {difference}"

    def refused(self, call, *words):
        """Whether a call is answered with the protocol's error."""
        try:
            result = call()
        except InferenceServerException as refusal:
            text = refusal.message().lower()
        else:
            raise AssertionError(f"not refused: {result}")
        assert not words or any(word in text for word in words), f"unclear: {text}"


class NotHere(Exception):  # noqa: N818
    """A check that means nothing over this protocol."""


def equal(found, expected):
    assert np.array_equal(found, expected), f"got {found}, expected {expected}"


def numbers(value):
    """Protobuf's JSON has 64-bit integers as strings, and leaves out zeros."""
    if isinstance(value, dict):
        return {key: numbers(item) if key not in _TEXTS else item for key, item in value.items()}
    if isinstance(value, list):
        return [int(item) if _is_number(item) else numbers(item) for item in value]
    return int(value) if _is_number(value) else value


_TEXTS = ("string_value", "version", "versions", "name")


def _is_number(value):
    return isinstance(value, str) and value.lstrip("-").isdecimal()
