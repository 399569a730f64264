"""Inference requests and answers as tritonclient's protobuf messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..protocol.cascade_tensors import OUTPUTS
from ..protocol.messages import Message, pb
from ..protocol.parameters import MAX_RANK, MAX_TENSORS, region_of, whole_of
from ..protocol.protocol import (
    InferAnswer,
    InferRequest,
    InputTensor,
    Parameters,
    Refusal,
    RegionSlice,
    RequestedOutput,
)
from ..protocol.tensors import bytes_of_array

PLAIN_OUTPUTS = {name: RequestedOutput(name=name) for name in OUTPUTS}
CONTENTS = {"FP32": "fp32_contents", "UINT8": "uint_contents"}


def decoded_message(message: Message) -> InferRequest:
    """The request that a message means.

    Raises:
        Refusal: its parts contradict each other.
    """
    if len(message.inputs) > MAX_TENSORS or len(message.outputs) > MAX_TENSORS:
        raise Refusal("invalid", f"expected at most {MAX_TENSORS} inputs and outputs")
    return InferRequest(
        model=message.model_name,
        version=message.model_version,
        id=message.id,
        inputs=_inputs(message),
        outputs=tuple(_output(output) for output in message.outputs) or None,
        parameters=_parameters(message.parameters),
    )


def encoded_message(answer: InferAnswer) -> Message:
    """The message of an answer."""
    message = pb.ModelInferResponse(
        model_name=answer.model, model_version=answer.version, id=answer.id
    )
    for key, value in answer.parameters.items():
        _set(message.parameters[key], value)
    for output in answer.outputs:
        tensor = message.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
        if output.region is None:
            message.raw_output_contents.append(bytes_of_array(output.data))
        else:
            tensor.parameters["shared_memory_region"].string_param = output.region.region
            tensor.parameters["shared_memory_byte_size"].int64_param = output.region.byte_size
            tensor.parameters["shared_memory_offset"].int64_param = output.region.offset
            message.raw_output_contents.append(b"")
    return message


def _inputs(message: Message) -> tuple[InputTensor, ...]:
    raw = iter(message.raw_input_contents)
    is_raw = len(message.raw_input_contents) > 0
    tensors: list[InputTensor] = []
    for tensor in message.inputs:
        what = f"input {tensor.name!r}"
        region = region_of(_parameters(tensor.parameters), what)
        content: bytes | list[Any] | RegionSlice | None = region
        if content is None:
            content = next(raw, None) if is_raw else _numbers(tensor)
        if content is None or (is_raw and tensor.HasField("contents")):
            raise Refusal("invalid", f"{what} needs its content once, raw or typed")
        if len(tensor.shape) > MAX_RANK or min(tensor.shape, default=0) < 0:
            raise Refusal("invalid", f"{what} has an impossible shape")
        tensors.append(
            InputTensor(
                name=tensor.name,
                datatype=tensor.datatype,
                shape=tuple(tensor.shape),
                content=content,
            )
        )
    if next(raw, None) is not None:
        raise Refusal("invalid", "there are more raw contents than inputs that need one")
    return tuple(tensors)


def _numbers(tensor: Message) -> list[Any]:
    if tensor.datatype not in CONTENTS:
        raise Refusal("invalid", f"input {tensor.name!r}: send {tensor.datatype} as raw content")
    return list(getattr(tensor.contents, CONTENTS[tensor.datatype]))


def _output(output: Message) -> RequestedOutput:
    if not output.parameters and output.name in PLAIN_OUTPUTS:
        return PLAIN_OUTPUTS[output.name]
    parameters = _parameters(output.parameters)
    what = f"output {output.name!r}"
    return RequestedOutput(
        name=output.name,
        classes=whole_of(parameters.get("classification", 0), f"classification of {what}"),
        region=region_of(parameters, what),
    )


def _parameters(parameters: Mapping[str, Any]) -> Parameters:
    found: dict[str, str | int | float | bool] = {}
    for key, parameter in parameters.items():
        kind = parameter.WhichOneof("parameter_choice")
        if kind is None:
            raise Refusal("invalid", f"parameter {key!r} has no value")
        found[key] = getattr(parameter, kind)
    return found


def _set(parameter: Message, value: str | float | bool) -> None:
    if isinstance(value, bool):
        parameter.bool_param = value
    elif isinstance(value, int):
        parameter.int64_param = value
    elif isinstance(value, float):
        parameter.double_param = value
    else:
        parameter.string_param = value
