"""SPEC -> `SourceModel`: what a user types to name a model.

    onnx:PATH                                      an ONNX file
    torch:package.module:callable?width=4&weights=PATH
                                                   the torch module that the callable returns
    timm:resnet18.a1_in1k?pretrained=true          a timm name; the prefix may be left out
    hf:REPO, hf:REPO@REVISION or hf:FOLDER         an image classifier of the Hugging Face hub

After `?` stand keyword arguments of the callable (or of timm.create_model), as in a URL; numbers,
true and false are converted. Models of transformers take none. Six keys are not passed on:

    resolution=train        of a timm model: what it was trained at, not what timm tests it at
    weights=PATH            a safetensors or torch file with the state dict, loaded strictly
    input_shape=3x32x32     of one sample
    kind=probabilities      what the model gives, or logits (default: its values tell)
    output=NAME             of an ONNX file: which of its outputs has the scores
    preprocessing=PATH      a JSON file; by default WEIGHTS.preprocessing.json or
                            ONNX-FILE.preprocessing.json where there is one
    columns=PATH            a JSON list: the numbers of the outputs that are wanted, in order

A SPEC may come from a file that somebody else wrote, so it can name only a callable that is
defined in a module outside the standard library and returns a torch module, and weights are read
without unpickling code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode

from ...data.preprocessing import check_preprocessing
from ...errors import DataError, SourceError
from ...files import read_json
from .source_model import SourceModel

Value: TypeAlias = "int | float | bool | str"

SCHEMES = "onnx:PATH, torch:package.module:callable, hf:REPO, or a timm name such as resnet18"
OPTIONS = ("weights", "input_shape", "kind", "output", "preprocessing", "resolution", "columns")
SIDECAR = ".preprocessing.json"
# Modules of this package that SPECs in files of version 0.1.0 name, and where they are now.
FORMER_MODULES = {
    "encas.search.nat.subnets": "encas.nat.subnets",
    "encas.search.sources.digits": "encas.demo.digit_networks",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The parts of a SPEC: `scheme:target?arguments`.

    Args:
        text: the whole.
        scheme: "onnx", "torch", "timm" or "hf".
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
    if scheme not in ("onnx", "torch", "timm", "hf") or not target:
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
        target=_now(target) if scheme == "torch" else target,
        arguments={key: _value(value) for key, value in pairs if key not in OPTIONS},
        options={key: value for key, value in pairs if key in OPTIONS},
    )


def _now(target: str) -> str:
    module, colon, name = target.partition(":")
    return f"{FORMER_MODULES.get(module, module)}{colon}{name}"


def source_model(text: str, *, base: Path | None = None) -> SourceModel:
    """The model that a SPEC names; it is not built yet.

    Args:
        text: the SPEC.
        base: the folder of the file that holds the SPEC; paths are relative to it, or else to
            the current folder.

    Raises:
        SourceError: the SPEC has faults, or names a file, module or timm model that is not there.
    """
    spec = parse_spec(text)
    if spec.scheme == "onnx":
        return _onnx_source(spec, base)
    if "output" in spec.options:
        raise SourceError("only ONNX files have an output to choose", where=text)
    weights = _option_path(spec, "weights", base)
    if spec.scheme == "torch":
        from .torch_models import torch_builder  # noqa: PLC0415 - torch is optional

        build = torch_builder(spec.target, spec.arguments, weights, where=text)
        return _source(spec, base, build=build, weights=weights)
    if spec.scheme == "hf":
        from .hub_models import hub_model  # noqa: PLC0415 - timm and transformers are optional

        stated = _preprocessing(spec, base, beside=weights)
        found = hub_model(_hub_target(spec, base), spec.arguments, weights, stated, where=text)
        return _source(spec, base, weights=weights, **found)
    from .timm_models import timm_builder, timm_preprocessing  # noqa: PLC0415 - timm is optional

    build = timm_builder(spec.target, spec.arguments, weights, where=text)
    preprocessing = timm_preprocessing(
        spec.target, resolution=spec.options.get("resolution", "test"), where=text
    )
    return _source(spec, base, build=build, weights=weights, preprocessing=preprocessing)


def files_of_spec(text: str, *, base: Path | None = None) -> tuple[Path, ...]:
    """The files that decide on a model and that a SPEC names; none where a hub keeps them.

    Raises:
        SourceError: the SPEC has faults, or names a file that is not there.
    """
    spec = parse_spec(text)
    if spec.scheme == "onnx":
        return (_existing(spec.target, base, where=text),)
    weights = _option_path(spec, "weights", base)
    folder = Path(_hub_target(spec, base)) if spec.scheme == "hf" else None
    within = sorted(path for path in folder.glob("*.*") if path.is_file()) if folder else []
    return (*([weights] if weights else []), *within)


def rebased_spec(text: str, *, base: Path | None, folder: Path) -> str:
    """The same SPEC for a file in another folder: its paths are made relative to that one.

    Raises:
        SourceError: the SPEC has faults, or names a file that is not there.
    """
    spec = parse_spec(text)

    def moved(path: Path) -> str:
        return os.path.relpath(path.resolve(), folder.resolve())

    target = spec.target
    if spec.scheme == "onnx":
        target = moved(_existing(target, base, where=text))
    elif spec.scheme == "hf" and Path(_hub_target(spec, base)).is_dir():
        target = moved(Path(_hub_target(spec, base)))
    body = f"{spec.scheme}:{target}" if ":" in text.partition("?")[0] else target
    pairs = parse_qsl(text.partition("?")[2], keep_blank_values=True)
    paths = ("weights", "preprocessing", "columns")
    query = [
        (key, moved(_existing(value, base, where=text)) if key in paths else value)
        for key, value in pairs
    ]
    return f"{body}?{urlencode(query, safe='/:')}" if query else body


def with_option(text: str, key: str, value: str) -> str:
    """A SPEC with one more option, or with another value of it."""
    body, _, query = text.partition("?")
    others = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != key]
    return f"{body}?{urlencode([*others, (key, value)], safe='/:')}"


def _onnx_source(spec: Spec, base: Path | None) -> SourceModel:
    if spec.arguments or "weights" in spec.options:
        raise SourceError("an ONNX file takes no arguments", where=spec.text)
    path = _existing(spec.target, base, where=spec.text)
    return SourceModel(
        spec=spec.text,
        onnx_file=path,
        output=spec.options.get("output"),
        kind=spec.options.get("kind"),
        input_shape=_input_shape(spec),
        preprocessing=_preprocessing(spec, base, beside=path),
        columns=_columns(spec, base),
    )


def _source(
    spec: Spec,
    base: Path | None,
    *,
    build: Any,
    weights: Path | None,
    preprocessing: Mapping[str, Any] | None = None,
    classes: tuple[str, ...] | None = None,
) -> SourceModel:
    return SourceModel(
        spec=spec.text,
        build=build,
        kind=spec.options.get("kind"),
        input_shape=_input_shape(spec),
        preprocessing=_preprocessing(spec, base, beside=weights) or preprocessing,
        classes=classes,
        columns=_columns(spec, base),
    )


def _columns(spec: Spec, base: Path | None) -> tuple[int, ...] | None:
    path = _option_path(spec, "columns", base)
    if path is None:
        return None
    content: Any = read_json(path, error=SourceError)
    is_list = isinstance(content, list) and all(type(one) is int and one >= 0 for one in content)
    if not is_list or not content or len(set(content)) < len(content):
        fault = "expected a list of numbers of outputs, each once"
        raise SourceError(fault, where=str(path))
    return tuple(content)


def _hub_target(spec: Spec, base: Path | None) -> str:
    """A folder where there is one of that name, or else a repository of the hub."""
    for folder in (*([base / spec.target] if base else []), Path(spec.target)):
        if folder.is_dir():
            return str(folder.resolve())
    return spec.target


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
    check_preprocessing(content, where=str(path))
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
    candidates = [*([base / text] if base else []), Path(text)]
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
