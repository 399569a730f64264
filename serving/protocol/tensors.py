"""Tensors between arrays and what goes over the wire."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import FloatArray
from .protocol import Refusal

DATATYPES = {"float16": "FP16", "float32": "FP32", "int64": "INT64", "uint8": "UINT8"}
DATATYPE_OF = {np.dtype(name): datatype for name, datatype in DATATYPES.items()}
KINDS = {"float16": "iuf", "float32": "iuf", "uint8": "iu"}


def array_of_bytes(
    content: bytes | memoryview, shape: tuple[int, ...], dtype: str, *, name: str
) -> NDArray[Any]:
    """The array whose little-endian bytes are `content`; it shares their memory.

    Raises:
        Refusal: there are more or fewer bytes than the shape needs.
    """
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    if len(content) != expected:
        raise Refusal(
            "invalid",
            f"input byte size mismatch for input {name!r}: expected {expected}, got {len(content)}",
        )
    return np.frombuffer(content, np.dtype(dtype).newbyteorder("<")).reshape(shape)


def array_of_numbers(
    content: list[Any], shape: tuple[int, ...], dtype: str, *, name: str
) -> NDArray[Any]:
    """The array of JSON numbers, flat or nested in any way that has the right count.

    Raises:
        Refusal: they are ragged, no numbers, too many, too few or out of the type's range.
    """
    try:
        numbers = np.asarray(content) if content else np.empty(0, dtype)
    except (ValueError, OverflowError) as cause:
        raise Refusal("invalid", f"input {name!r}: data is ragged") from cause
    if numbers.dtype.kind not in KINDS[dtype]:
        raise Refusal("invalid", f"input {name!r}: data must be numbers of type {dtype}")
    if numbers.size != math.prod(shape):
        raise Refusal(
            "invalid",
            f"input {name!r}: shape {list(shape)} needs {math.prod(shape)} numbers, "
            f"got {numbers.size}",
        )
    with np.errstate(over="ignore"):
        converted = numbers.astype(dtype)
    is_whole = numbers.dtype.kind in "iu" and converted.dtype.kind in "iu"
    if is_whole and not np.array_equal(converted, numbers):
        raise Refusal("invalid", f"input {name!r}: data is out of the range of {dtype}")
    return converted.reshape(shape)


def bytes_of_array(data: NDArray[Any]) -> bytes:
    """The raw content of a tensor; strings come with their length before them."""
    if data.dtype == object:
        return b"".join(struct.pack("<I", len(item)) + item for item in data.ravel())
    return data.tobytes()


def numbers_of_array(data: NDArray[Any], *, name: str) -> list[Any]:
    """The flat content of a tensor as JSON has it.

    Raises:
        Refusal: there are values that JSON has no words for.
    """
    if data.dtype == object:
        return [item.decode("utf-8", "replace") for item in data.ravel()]
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        raise Refusal(
            "invalid",
            f"output {name!r} holds NaN or infinities, which JSON cannot express; "
            "ask for binary data",
        )
    return data.ravel().tolist()


def best_classes(
    probabilities: FloatArray, count: int, classes: tuple[str, ...] | None
) -> NDArray[Any]:
    """The best classes of each row [n, n_classes] as bytes "score:index:name" [n, count]."""
    count = min(count, probabilities.shape[1])
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    texts = np.empty(order.shape, object)
    for place, index in np.ndenumerate(order):
        name = f":{classes[index]}" if classes else ""
        texts[place] = f"{probabilities[place[0], index]:f}:{index}{name}".encode()
    return texts
