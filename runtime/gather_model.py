"""A model of one node, rows of an array: how samples are compacted where they lie.

    x [n, ...], rows int64 [m]  ->  y [m, ...]

It is written as protocol-buffer wire format (field numbers of onnx.proto3), since whoever runs a
bundle needs no ONNX package.
"""

from __future__ import annotations

ELEMENT_TYPES = {"float32": 1, "uint8": 2, "int64": 7, "float16": 10}
IR_VERSION, OPSET = 8, 13


def gather_model(dtype: str, n_dims: int) -> bytes:
    """The content of the ONNX file for arrays of a type with so many dimensions."""
    node = _text(1, "x") + _text(1, "rows") + _text(2, "y") + _text(4, "Gather")
    graph = b"".join(
        (
            _message(1, node),
            _text(2, "gather"),
            _message(11, _value("x", dtype, n_dims)),
            _message(11, _value("rows", "int64", 1)),
            _message(12, _value("y", dtype, n_dims)),
        )
    )
    return _number(1, IR_VERSION) + _message(7, graph) + _message(8, _number(2, OPSET))


def _value(name: str, dtype: str, n_dims: int) -> bytes:
    any_size = _message(1, b"")
    tensor_type = _number(1, ELEMENT_TYPES[dtype]) + _message(2, any_size * n_dims)
    return _text(1, name) + _message(2, _message(1, tensor_type))


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
