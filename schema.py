"""Checks a JSON value against one of the JSON Schemas that this package ships.

The schemas in `schemas/` are plain JSON Schema (draft 2020-12) for anyone to use. This module
implements the part of the standard that they use, so that a bundle can be checked without a
further dependency; the tests hold it against the `jsonschema` package. It is stricter in one
point: 1.0 is no integer, so that whatever is read as one can be a size or an index.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from .errors import EncasError
from .files import Json

Schema = Mapping[str, Any]

MAX_FAULTS = 20


@cache
def load_schema(name: str) -> Schema:
    """The schema `schemas/<name>.schema.json` as a dict."""
    text = resources.files(f"{__package__}.schemas").joinpath(f"{name}.schema.json").read_text()
    return json.loads(text)


def check(value: Json, name: str, *, error: type[EncasError], where: str) -> None:
    """Raises `error` with every fault (at most 20) that `value` has under schema `name`."""
    schema = load_schema(name)
    faults: list[str] = []
    for fault in _faults(value, schema, schema, ""):
        faults.append(fault)
        if len(faults) == MAX_FAULTS:
            break
    if faults:
        raise error(*faults, where=where)


def _faults(value: Json, schema: Schema, root: Schema, path: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    place = path or "the document"
    if "const" in schema and not _equal(value, schema["const"]):
        yield f"{place} must be {schema['const']!r}, got {_short(value)}"
        return
    if "enum" in schema and not any(_equal(value, item) for item in schema["enum"]):
        yield f"{place} must be one of {schema['enum']}, got {_short(value)}"
        return
    allowed = schema.get("type")
    if allowed is not None:
        names = [allowed] if isinstance(allowed, str) else allowed
        if not any(_has_type(value, name) for name in names):
            yield f"{place} must be {' or '.join(names)}, got {_short(value)}"
            return
    if isinstance(value, str):
        yield from _string_faults(value, schema, place)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number_faults(value, schema, place)
    elif isinstance(value, list):
        yield from _array_faults(value, schema, root, path)
    elif isinstance(value, Mapping):
        yield from _object_faults(value, schema, root, path)


def _string_faults(value: str, schema: Schema, place: str) -> Iterator[str]:
    length = len(value)
    if not schema.get("minLength", 0) <= length <= schema.get("maxLength", length):
        yield f"{place} has {length} characters, which is too few or too many"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place} must match {schema['pattern']}, got {_short(value)}"


def _number_faults(value: float, schema: Schema, place: str) -> Iterator[str]:
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{place} must be at least {schema['minimum']}, got {_short(value)}"
    if "maximum" in schema and value > schema["maximum"]:
        yield f"{place} must be at most {schema['maximum']}, got {_short(value)}"
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        yield f"{place} must be above {schema['exclusiveMinimum']}, got {_short(value)}"


def _array_faults(value: list[Json], schema: Schema, root: Schema, path: str) -> Iterator[str]:
    place = path or "the document"
    length = len(value)
    if not schema.get("minItems", 0) <= length <= schema.get("maxItems", length):
        yield f"{place} has {length} items, which is too few or too many"
    if "items" in schema:
        for index, item in enumerate(value):
            yield from _faults(item, schema["items"], root, f"{path}[{index}]")


def _object_faults(
    value: Mapping[str, Json], schema: Schema, root: Schema, path: str
) -> Iterator[str]:
    place = path or "the document"
    properties = schema.get("properties", {})
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{place} lacks the key {key!r}"
    others = schema.get("additionalProperties", True)
    for key, item in value.items():
        below = f"{path}.{key}" if path else key
        if key in properties:
            yield from _faults(item, properties[key], root, below)
        elif others is False:
            yield f"{place} has the unknown key {key!r}"
        elif isinstance(others, Mapping):
            yield from _faults(item, others, root, below)


def _has_type(value: Json, name: str) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return {
        "null": value is None,
        "boolean": isinstance(value, bool),
        "number": is_number,
        "integer": is_number and isinstance(value, int),
        "string": isinstance(value, str),
        "array": isinstance(value, list),
        "object": isinstance(value, Mapping),
    }[name]


def _equal(value: Json, other: Json) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _short(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
