"""SPEC -> `SourceModel`: what a user types to name a model.

    onnx:PATH                                      an ONNX file
    torch:package.module:callable?width=4&weights=PATH
                                                   the torch module that the callable returns
    resnet18?pretrained=true                       a timm name

After `?` stand keyword arguments of the callable (or of timm.create_model), as in a URL; numbers,
true and false are converted. Four keys are not passed on:

    weights=PATH            a safetensors or torch file with the state dict, loaded strictly
    input_shape=3x32x32     of one sample
    kind=probabilities      the model ends in a softmax (default: logits)
    preprocessing=PATH      a JSON file; by default WEIGHTS.preprocessing.json or
                            ONNX-FILE.preprocessing.json where there is one

A SPEC may come from a file that somebody else wrote, so it can name only a callable that is
defined in a module outside the standard library and returns a torch module, and weights are read
without unpickling code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from ...errors import DataError, SourceError
from ...files import read_json
from ...schema import check
from ...source import SourceModel

Value: TypeAlias = "int | float | bool | str"

SCHEMES = "onnx:PATH, torch:package.module:callable, or a timm name such as resnet18"
OPTIONS = ("weights", "input_shape", "kind", "preprocessing")
SIDECAR = ".preprocessing.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The parts of a SPEC: `scheme:target?arguments`.

    Args:
        text: the whole.
        scheme: "onnx", "torch" or "timm".
        target: what follows the scheme.
        arguments: keyword arguments for the callable.
        options: the keys that are not passed on, as text.
    """

    text: str
    scheme: str
    target: str
    arguments: Mapping[str, Value]
    options: Mapping[str, str]


def parse_spec(text: str) -> Spec:
    """Takes a SPEC apart.

    Raises:
        SourceError: it has an unknown scheme, or a key twice.
    """
    body, _, query = text.partition("?")
    scheme, colon, target = body.partition(":")
    if not colon:
        scheme, target = "timm", body
    if scheme not in ("onnx", "torch", "timm") or not target:
        raise SourceError(f"expected {SCHEMES}; got {text!r}")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as cause:
        raise SourceError(f"expected key=value&key=value after '?', got {query!r}") from cause
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise SourceError(f"a key comes twice: {query!r}", where=text)
    return Spec(
        text=text,
        scheme=scheme,
        target=target,
        arguments={key: _value(value) for key, value in pairs if key not in OPTIONS},
        options={key: value for key, value in pairs if key in OPTIONS},
    )


def source_model(text: str, *, base: Path | None = None) -> SourceModel:
    """The model that a SPEC names; it is not built yet.

    Args:
        text: the SPEC.
        base: the folder of the file that holds the SPEC; paths are relative to the current
            folder, or else to this one.

    Raises:
        SourceError: the SPEC has faults, or names a file, module or timm model that is not there.
    """
    spec = parse_spec(text)
    if spec.scheme == "onnx":
        return _onnx_source(spec, base)
    weights = _option_path(spec, "weights", base)
    if spec.scheme == "torch":
        from .torch_models import torch_builder  # noqa: PLC0415 - torch is optional

        build = torch_builder(spec.target, spec.arguments, weights, where=text)
        return _source(spec, base, build=build, weights=weights)
    from .timm_models import timm_builder, timm_preprocessing  # noqa: PLC0415 - timm is optional

    build = timm_builder(spec.target, spec.arguments, weights, where=text)
    preprocessing = timm_preprocessing(spec.target, where=text)
    return _source(spec, base, build=build, weights=weights, preprocessing=preprocessing)


def _onnx_source(spec: Spec, base: Path | None) -> SourceModel:
    if spec.arguments or "weights" in spec.options:
        raise SourceError("an ONNX file takes no arguments", where=spec.text)
    path = _existing(spec.target, base, where=spec.text)
    return SourceModel(
        spec=spec.text,
        onnx_file=path,
        kind=spec.options.get("kind"),
        input_shape=_input_shape(spec),
        preprocessing=_preprocessing(spec, base, beside=path),
    )


def _source(
    spec: Spec,
    base: Path | None,
    *,
    build: Any,
    weights: Path | None,
    preprocessing: Mapping[str, Any] | None = None,
) -> SourceModel:
    return SourceModel(
        spec=spec.text,
        build=build,
        kind=spec.options.get("kind", "logits"),
        input_shape=_input_shape(spec),
        preprocessing=_preprocessing(spec, base, beside=weights) or preprocessing,
    )


def _preprocessing(
    spec: Spec, base: Path | None, *, beside: Path | None
) -> Mapping[str, Any] | None:
    path = _option_path(spec, "preprocessing", base)
    if path is None and beside is not None:
        sidecar = beside.with_name(beside.name + SIDECAR)
        path = sidecar if sidecar.is_file() else None
    if path is None:
        return None
    content: Any = read_json(path, error=DataError)
    check(content, "preprocessing", error=DataError, where=str(path))
    return content


def _input_shape(spec: Spec) -> tuple[int, ...] | None:
    text = spec.options.get("input_shape")
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,6}(x[1-9]\d{0,6}){0,3}", text):
        raise SourceError(f"input_shape must look like 3x32x32, got {text!r}", where=spec.text)
    return tuple(int(side) for side in text.split("x"))


def _option_path(spec: Spec, key: str, base: Path | None) -> Path | None:
    text = spec.options.get(key)
    return None if text is None else _existing(text, base, where=spec.text)


def _existing(text: str, base: Path | None, *, where: str) -> Path:
    candidates = [Path(text), *([base / text] if base else [])]
    for path in candidates:
        if path.is_file():
            return path.resolve()
    raise SourceError(f"no such file: {', '.join(map(str, candidates))}", where=where)


def _value(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text
