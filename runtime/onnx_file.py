"""What a runtime must know of an ONNX file before it lets ONNX Runtime open it.

The file is read as protocol-buffer wire format (https://protobuf.dev/programming-guides/encoding,
field numbers of onnx.proto3), so that no ONNX package is needed and no tensor is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from ..errors import SessionError

Buffer: TypeAlias = "bytes | memoryview"
Value: TypeAlias = "int | memoryview | None"

MAX_DEPTH = 64
MAX_FIELD_NUMBER = 2**29 - 1

# message -> field number -> message, for every way from a model down to a tensor.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14
_ENTRY_KEY, _ENTRY_VALUE = 1, 2


def external_files(model: Buffer, *, where: str = "model") -> tuple[str, ...]:
    """The files outside an ONNX file that its tensors lie in, sorted; most have none.

    Args:
        model: the content of the file.
        where: its name, for the error.

    Raises:
        SessionError: the bytes are no protocol buffer, or nested beyond all reason.
    """
    try:
        return tuple(sorted(set(_locations(memoryview(model), "model", 0))))
    except (IndexError, ValueError) as cause:
        raise SessionError(f"truncated or not an ONNX file: {cause}", where=where) from cause


def _locations(message: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise ValueError(f"graphs nested more than {MAX_DEPTH} deep")
    if kind == "tensor":
        yield from _tensor_locations(message)
        return
    below = _MESSAGES[kind]
    for number, value in _fields(message):
        if number in below:
            yield from _locations(_content(value, kind, number), below[number], depth + 1)


def _tensor_locations(tensor: memoryview) -> Iterator[str]:
    locations: list[str] = []
    is_external = False
    for number, value in _fields(tensor):
        if number == _TENSOR_DATA_LOCATION:
            is_external = is_external or value != 0
        elif number == _TENSOR_EXTERNAL_DATA:
            entry = dict(_entry(_content(value, "tensor", number)))
            locations += [entry.get(_ENTRY_VALUE, "")] * (entry.get(_ENTRY_KEY) == "location")
            is_external = True
    # Whichever of several locations a reader takes is among these.
    yield from locations or ([""] if is_external else [])


def _entry(message: memoryview) -> Iterator[tuple[int, str]]:
    for number, value in _fields(message):
        if number in (_ENTRY_KEY, _ENTRY_VALUE):
            yield number, str(_content(value, "entry", number), "utf-8")


def _content(value: Value, kind: str, number: int) -> memoryview:
    """What a field holds that must have a length; readers pass over such a field of another type.

    Raises:
        ValueError: it has another wire type, so that readers would not see what we see.
    """
    if not isinstance(value, memoryview):
        raise ValueError(f"field {number} of the {kind} has the wrong wire type")
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Field numbers and values: numbers as they are, None for those of fixed width.

    Everything with a length comes as its bytes.
    """
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number <= MAX_FIELD_NUMBER:
            # Readers cut such a tag to 32 bits and find another field.
            raise ValueError(f"field number {number}")
        if wire_type == 0:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == 2:
            length, position = _varint(message, position)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"wire type {wire_type} at byte {position}")
        if length > len(message) - position:
            raise ValueError(f"{length} bytes announced, {len(message) - position} there")
        yield number, message[position : position + length] if wire_type == 2 else None
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index in range(10):
        byte = message[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise ValueError(f"endless number at byte {position}")
