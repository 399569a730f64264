"""Triton's model configuration as typed values, and its text in `config.pbtxt`.

Each class is a message of Triton's `model_config.proto` with the fields that this package uses, by
the proto's names; what is left at None or empty is left out of the text. Nothing here needs
protobuf: `model_config_text.py` reads the text back through the real message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeAlias

Message: TypeAlias = Any

INDENT = "  "


class Keyword(str):
    """The name of an enum value, which stands in the text without quotes."""

    __slots__ = ()


FP16, FP32 = Keyword("TYPE_FP16"), Keyword("TYPE_FP32")
INT64, UINT8, STRING = Keyword("TYPE_INT64"), Keyword("TYPE_UINT8"), Keyword("TYPE_STRING")
KIND_CPU, KIND_GPU, KIND_MODEL = Keyword("KIND_CPU"), Keyword("KIND_GPU"), Keyword("KIND_MODEL")
REJECT = Keyword("REJECT")

TYPES = {"float16": FP16, "float32": FP32, "int64": INT64, "uint8": UINT8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape:
    """What the backend sees instead of `dims`."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorConfig:
    """An input or an output; `dims` are those of one sample, without the batch."""

    name: str
    data_type: Keyword
    dims: tuple[int, ...]
    reshape: Reshape | None = None
    label_filename: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceGroup:
    """How often a model is there, and on what."""

    kind: Keyword
    count: int = 1
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePolicy:
    """What happens to requests that wait."""

    timeout_action: Keyword | None = None
    default_timeout_microseconds: int | None = None
    allow_timeout_override: bool | None = None
    max_queue_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicBatching:
    """How requests are put together."""

    preferred_batch_size: tuple[int, ...] = ()
    max_queue_delay_microseconds: int | None = None
    default_queue_policy: QueuePolicy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmupInput:
    """One input of a warm-up; `input_data_file` lies in the folder `warmup` of the model."""

    data_type: Keyword
    dims: tuple[int, ...]
    zero_data: bool | None = None
    input_data_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """A batch that runs before the model is ready."""

    name: str
    batch_size: int
    inputs: Mapping[str, WarmupInput]


@dataclass(frozen=True, slots=True, kw_only=True)
class StringValue:
    """The value of a parameter."""

    string_value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """An execution accelerator of the ONNX Runtime backend, such as "tensorrt"."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionAccelerators:
    """Accelerators, the first one first."""

    gpu_execution_accelerator: tuple[Accelerator, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimization:
    """What the backend does to the model."""

    execution_accelerators: ExecutionAccelerators | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The newest versions."""

    num_versions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPolicy:
    """Which versions are served."""

    latest: Latest = Latest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A model of an ensemble; the maps go from its tensors to the ensemble's."""

    model_name: str
    input_map: Mapping[str, str]
    output_map: Mapping[str, str]
    model_version: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """The steps of an ensemble; their order follows from the tensors."""

    step: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A model: `config.pbtxt`."""

    name: str
    max_batch_size: int
    input: tuple[TensorConfig, ...]
    output: tuple[TensorConfig, ...]
    backend: str | None = None
    platform: str | None = None
    version_policy: VersionPolicy = VersionPolicy()
    default_model_filename: str | None = None
    instance_group: tuple[InstanceGroup, ...] = ()
    dynamic_batching: DynamicBatching | None = None
    optimization: Optimization | None = None
    model_warmup: tuple[Warmup, ...] = ()
    parameters: Mapping[str, StringValue] = field(default_factory=dict)
    ensemble_scheduling: Ensemble | None = None

    def to_pbtxt(self) -> str:
        """The content of `config.pbtxt`."""
        return "".join(f"{line}\n" for line in _message_lines(self))

    def to_json(self) -> dict[str, Any]:
        """The configuration as Triton's JSON, with the proto's field names."""
        return _plain(self)


def _message_lines(message: Message) -> Iterator[str]:
    for item in fields(message):
        yield from _field_lines(item.name, getattr(message, item.name))


def _field_lines(name: str, value: Any) -> Iterator[str]:
    if value is None or value in ((), {}):
        return
    if isinstance(value, Mapping):
        for key in value:
            yield from _block(name, (*_field_lines("key", key), *_field_lines("value", value[key])))
    elif is_dataclass(value):
        yield from _block(name, _message_lines(value))
    elif not isinstance(value, tuple):
        yield f"{name}: {_scalar(value)}"
    elif is_dataclass(value[0]):
        for item in value:
            yield from _block(name, _message_lines(item))
    else:
        yield f"{name}: [ {', '.join(map(_scalar, value))} ]"


def _block(name: str, lines: Iterator[str] | tuple[str, ...]) -> Iterator[str]:
    yield f"{name} {{"
    yield from (INDENT + line for line in lines)
    yield "}"


def _scalar(value: str | int | bool) -> str:
    if isinstance(value, Keyword):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else _octal(c) for c in escaped) + '"'


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode())


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        items = ((item.name, getattr(value, item.name)) for item in fields(value))
        return {key: _plain(v) for key, v in items if v is not None and v not in ((), {})}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Keyword) else value
