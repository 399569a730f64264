"""Inference requests and answers as HTTP bodies: JSON, and raw tensors behind it.

The body is JSON of `n` bytes and then the raw content of each tensor that has a
`binary_data_size`, in order; `n` stands in the header Inference-Header-Content-Length.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from ...files import distinct_keys
from ..protocol.parameters import MAX_RANK, MAX_TENSORS, region_of, text_of, whole_of
from ..protocol.protocol import (
    InferAnswer,
    InferRequest,
    InputTensor,
    OutputTensor,
    Parameters,
    Refusal,
    RequestedOutput,
)
from ..protocol.tensors import bytes_of_array, numbers_of_array


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


ENCODER = json.JSONEncoder(separators=(",", ":"))
DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=distinct_keys)


def decoded_json(body: bytes | memoryview, *, what: str = "the request") -> Any:
    """The JSON value that a body holds.

    Raises:
        Refusal: it holds none.
    """
    try:
        return DECODER.decode(str(body, "utf-8"))
    except (ValueError, RecursionError) as cause:
        raise Refusal("invalid", f"failed to parse the JSON of {what}: {cause}") from cause


def json_object(body: bytes | memoryview, *, what: str = "the request") -> dict[str, Any]:
    """The JSON object that a body holds; an empty body means an empty object.

    Raises:
        Refusal: it holds something else.
    """
    return _object(decoded_json(body, what=what) if len(body) else {}, what)


def decoded_request(
    body: bytes, header_length: int | None, *, model: str, version: str = ""
) -> InferRequest:
    """The request that a body means.

    Args:
        body: all of it, uncompressed.
        header_length: bytes of JSON; None: all.
        model: the model's name in the path.
        version: the model's version in the path, "" where there is none.

    Raises:
        Refusal: the body is not a request.
    """
    length = len(body) if header_length is None else header_length
    if not 0 < length <= len(body):
        raise Refusal(
            "invalid", f"inference header size should be in range 1..{len(body)}, got {length}"
        )
    view = memoryview(body)
    head = _object(decoded_json(view[:length]), "the request")
    parameters = _parameters(head, "the request")
    binary = _flag(parameters, "binary_data_output", default=False)
    return InferRequest(
        model=model,
        version=version,
        id=text_of(head.get("id", ""), "id"),
        inputs=_inputs(_items(head, "inputs"), view[length:]),
        outputs=tuple(_output(item, binary) for item in _items(head, "outputs")) or None,
        binary=binary,
        parameters=parameters,
    )


def encoded_answer(answer: InferAnswer) -> tuple[bytes, int | None]:
    """An answer's body, and how many bytes of it are JSON; None: all.

    Raises:
        Refusal: a number that JSON cannot express was asked for as JSON.
    """
    raw: list[bytes] = []
    head: dict[str, Any] = {"model_name": answer.model, "model_version": answer.version}
    if answer.id:
        head["id"] = answer.id
    head["parameters"] = answer.parameters
    head["outputs"] = [_encoded_output(output, raw) for output in answer.outputs]
    text = ENCODER.encode(head).encode()
    return (b"".join((text, *raw)), len(text)) if raw else (text, None)


def _encoded_output(output: OutputTensor, raw: list[bytes]) -> dict[str, Any]:
    item = {"name": output.name, "datatype": output.datatype, "shape": output.shape}
    if output.region is not None:
        place = {
            "shared_memory_region": output.region.region,
            "shared_memory_byte_size": output.region.byte_size,
            "shared_memory_offset": output.region.offset,
        }
        return item | {"parameters": place}
    if not output.binary:
        return item | {"data": numbers_of_array(output.data, name=output.name)}
    raw.append(bytes_of_array(output.data))
    return item | {"parameters": {"binary_data_size": len(raw[-1])}}


def _inputs(items: list[Any], rest: memoryview) -> tuple[InputTensor, ...]:
    tensors: list[InputTensor] = []
    for item in items:
        tensor, n_bytes = _input(item, rest)
        rest = rest[n_bytes:]
        tensors.append(tensor)
    if len(rest):
        raise Refusal("invalid", f"{len(rest)} bytes of the request belong to no input")
    return tuple(tensors)


def _input(item: Any, rest: memoryview) -> tuple[InputTensor, int]:
    """One input, and how many bytes of `rest` are its content."""
    values = _object(item, "an input")
    name = text_of(values.get("name"), "an input's name")
    what = f"input {name!r}"
    parameters = _parameters(values, what)
    size = whole_of(parameters.get("binary_data_size", 0), f"binary_data_size of {what}")
    if size > len(rest):
        raise Refusal("invalid", f"{what} has {size} bytes, but {len(rest)} are left")
    content: Any = values.get("data")
    if "binary_data_size" in parameters:
        content = rest[:size]
    region = region_of(parameters, what)
    tensor = InputTensor(
        name=name,
        datatype=text_of(values.get("datatype"), f"datatype of {what}"),
        shape=_shape(values.get("shape"), what),
        content=region or (content if isinstance(content, memoryview) else _list(content, what)),
    )
    return tensor, size


def _output(item: Any, binary: bool) -> RequestedOutput:
    values = _object(item, "an output")
    name = text_of(values.get("name"), "an output's name")
    what = f"output {name!r}"
    parameters = _parameters(values, what)
    return RequestedOutput(
        name=name,
        binary=_flag(parameters, "binary_data", default=binary),
        classes=whole_of(parameters.get("classification", 0), f"classification of {what}"),
        region=region_of(parameters, what),
    )


def _items(head: Mapping[str, Any], key: str) -> list[Any]:
    items = _list(head.get(key, []), key)
    if len(items) > MAX_TENSORS:
        raise Refusal("invalid", f"expected at most {MAX_TENSORS} {key}, got {len(items)}")
    return items


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal("invalid", f"{what} must be a JSON object")
    return cast("dict[str, Any]", value)


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise Refusal("invalid", f"{what} must be a list")
    return cast("list[Any]", value)


def _flag(parameters: Parameters, key: str, *, default: bool) -> bool:
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        raise Refusal("invalid", f"{key} must be true or false")
    return value


def _shape(value: Any, what: str) -> tuple[int, ...]:
    dims = tuple(_list(value, f"shape of {what}"))
    if not all(type(item) is int and item >= 0 for item in dims):
        raise Refusal("invalid", f"shape of {what} must be whole numbers of at least 0")
    if len(dims) > MAX_RANK:
        raise Refusal("invalid", f"{what} has {len(dims)} dimensions, more than {MAX_RANK}")
    return dims


def _parameters(values: Mapping[str, Any], what: str) -> Parameters:
    parameters = _object(values.get("parameters") or {}, f"parameters of {what}")
    for key, value in parameters.items():
        if not isinstance(value, (str, int, float, bool)):
            raise Refusal("invalid", f"parameter {key!r} of {what} must be a plain value")
    return parameters
