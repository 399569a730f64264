"""The values of the Open Inference Protocol (v2), free of HTTP and gRPC.

https://github.com/kserve/open-inference-protocol, with Triton's extensions: binary tensors,
classification, shared memory, statistics, model repository.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

RefusalKind: TypeAlias = Literal[
    "invalid",
    "unauthenticated",
    "not_found",
    "not_allowed",
    "too_large",
    "too_slow",
    "exhausted",
    "internal",
    "unsupported",
    "unavailable",
    "expired",
]
# The reason in the list of models for one that a server has not loaded so far.
NOT_YET = "not loaded yet"

Parameters: TypeAlias = Mapping[str, "str | int | float | bool"]
Content: TypeAlias = "bytes | memoryview | list[Any]"


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault of this program
    """A request that is answered with the protocol's error instead of a result.

    Args:
        kind: which status the client sees.
        message: what is wrong, for the client.
    """

    def __init__(self, kind: RefusalKind, message: str) -> None:
        super().__init__(message)
        self.kind: RefusalKind = kind
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionSlice:
    """A part of a registered shared memory region, in bytes."""

    region: str
    byte_size: int
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTensor:
    """An input as it came: raw bytes, JSON numbers, or a place in shared memory."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    content: Content | RegionSlice


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedOutput:
    """An output that the client asks for.

    Args:
        name: of the output.
        binary: as raw bytes behind the JSON (HTTP alone; gRPC answers are always raw).
        classes: so many best classes as "score:index:name" instead of the numbers; 0: the numbers.
        region: where in shared memory to put it.
    """

    name: str
    binary: bool = True
    classes: int = 0
    region: RegionSlice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """One request; `outputs` None asks for all outputs, raw or not as `binary` says."""

    model: str
    version: str = ""
    id: str = ""
    inputs: tuple[InputTensor, ...] = ()
    outputs: tuple[RequestedOutput, ...] | None = None
    binary: bool = True
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutputTensor:
    """An output to send: an array of numbers, or of bytes objects for BYTES."""

    name: str
    datatype: str
    data: NDArray[Any]
    binary: bool = True
    region: RegionSlice | None = None

    @property
    def shape(self) -> list[int]:
        """The shape as JSON has it."""
        return list(self.data.shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InferAnswer:
    """What a request is answered with."""

    model: str
    version: str
    id: str
    outputs: tuple[OutputTensor, ...]
    parameters: Parameters = field(default_factory=dict)
