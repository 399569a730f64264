"""Triton's own message `ModelConfig`, from tritonclient: reads what `model_config.py` writes."""

from __future__ import annotations

from typing import Any

from ...errors import ServingError
from .messages import Message, config_pb, json_format, text_format
from .model_config import ModelConfig

THRESHOLDS = "thresholds"


def message_of(config: ModelConfig) -> Message:
    """The message that a configuration's text means.

    Raises:
        ServingError: Triton's message has no such field, or not of that type.
    """
    message = parsed_text(config.to_pbtxt(), where=f"config.pbtxt of {config.name}")
    from_json = json_format.ParseDict(config.to_json(), config_pb.ModelConfig())
    if message != from_json:
        raise ServingError("the text and the JSON form differ", where=config.name)
    return message


def parsed_text(text: str, *, where: str) -> Message:
    """The message that the content of a `config.pbtxt` means.

    Raises:
        ServingError: it is none.
    """
    try:
        return text_format.Parse(text, config_pb.ModelConfig())
    except text_format.ParseError as cause:
        raise ServingError(f"not a Triton model configuration: {cause}", where=where) from cause


def overridden_thresholds(config: ModelConfig, override: str) -> tuple[float, ...] | None:
    """The thresholds that the JSON of a model configuration asks for; None: it names none.

    Args:
        config: the configuration in use.
        override: what a client sent with a load request.

    Raises:
        ServingError: the JSON is no configuration, or asks for anything else that is new.
    """
    try:
        wanted = json_format.Parse(override, config_pb.ModelConfig())
    except json_format.ParseError as cause:
        raise ServingError(f"not a model configuration: {cause}") from cause
    present = message_of(config)
    text = wanted.parameters[THRESHOLDS].string_value if THRESHOLDS in wanted.parameters else None
    for message in (wanted, present):
        message.parameters.pop(THRESHOLDS, None)
    changed = [
        descriptor.name
        for descriptor, value in wanted.ListFields()
        if value != getattr(present, descriptor.name)
    ]
    if changed:
        raise ServingError(f"only the thresholds can be changed, not {', '.join(changed)}")
    return None if text is None else thresholds_of(text)


def thresholds_of(text: str) -> tuple[float, ...]:
    """The numbers of the parameter `thresholds`, such as "0.5,0.62".

    Raises:
        ServingError: there is something else in it.
    """
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as cause:
        raise ServingError(f"thresholds must be numbers between commas, got {text!r}") from cause


def as_message(value: dict[str, Any], message: Message) -> Message:
    """Fills a protobuf message from JSON values."""
    return json_format.ParseDict(value, message)
