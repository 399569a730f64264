"""The class names that a model states itself: of the hub in its config, of ONNX in its metadata.

ONNX files have no fixed place for them; exporters write a list, or an object {number: name}, as
JSON or as Python literals, under one of a few keys.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...files import distinct_keys
from .source_model import SourceModel

KEYS = ("classes", "class_names", "names", "labels", "id2label")
MAX_TEXT = 2**22


def declared_classes(source: SourceModel) -> tuple[str, ...] | None:
    """The names of a model's outputs, in their order; None where it states none.

    Raises:
        SourceError: the ONNX file cannot be read.
    """
    names = source.classes
    if names is None and source.onnx_file is not None:
        names = names_of_metadata(_metadata(source.onnx_file))
    if names is None or source.columns is None:
        return names
    return tuple(names[column] for column in source.columns if column < len(names))


def names_of_metadata(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """The class names that the metadata of an ONNX file hold; None where there are none."""
    texts = (metadata[key] for key in KEYS if len(metadata.get(key, "")) in range(1, MAX_TEXT))
    return next((names for text in texts if (names := _names(_value(text)))), None)


def _value(text: str) -> Any:
    """The value that the text writes; None where it is none, or an object has a key twice."""
    for read in (_json, _literal):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return None


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=distinct_keys)


def _literal(text: str) -> Any:
    tree = ast.parse(text, mode="eval")
    value = ast.literal_eval(tree)
    if isinstance(tree.body, ast.Dict) and len(tree.body.keys) > len(value):
        raise ValueError("a key comes twice")
    return value


def _names(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, dict):
        by_number = {int(key): name for key, name in value.items() if str(key).isdecimal()}
        is_whole = len(by_number) == len(value) and sorted(by_number) == list(range(len(value)))
        value = [by_number[i] for i in range(len(by_number))] if is_whole else None
    if not isinstance(value, (list, tuple)) or not value:
        return None
    return tuple(value) if all(isinstance(name, str) for name in value) else None


def _metadata(path: Path) -> dict[str, str]:
    from .onnx_graph import onnx_metadata  # noqa: PLC0415 - onnx is optional

    return onnx_metadata(path)
