"""Which outputs of a model belong to the classes of the data, where the model knows more.

A class map is a JSON object {class of the data: number of the model's output}, or the word
`imagenet`: the data's classes are ImageNet's synsets (n01440764, ...), of which there may be few;
or `natural`: the model was trained on these classes in the order of their numbers (1, 2, 10), as
timm sorts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...data.class_folders import natural_order
from ...errors import DataError
from ...files import read_json

IMAGENET = "imagenet"
NATURAL = "natural"


def class_columns(text: str, classes: tuple[str, ...] | None) -> tuple[int, ...]:
    """The model's output for each class of the data.

    Args:
        text: a class map's file, `imagenet` or `natural`.
        classes: the data's class names by label.

    Raises:
        DataError: names every class that the map lacks, or other faults.
    """
    if classes is None:
        raise DataError("a class map needs data with class names", where=text)
    table = _natural(classes) if text == NATURAL else _imagenet() if text == IMAGENET else None
    table = _read(Path(text)) if table is None else table
    lacking = [name for name in classes if name not in table]
    if lacking:
        raise DataError(
            f"{len(lacking)} of {len(classes)} classes are not in the map (first: {lacking[0]})",
            where=text,
        )
    columns = tuple(table[name] for name in classes)
    if len(set(columns)) < len(columns):
        raise DataError("two classes of the data have one output of the model", where=text)
    return columns


def _read(path: Path) -> Mapping[str, int]:
    content: Any = read_json(path, error=DataError)
    is_map = isinstance(content, dict) and all(
        isinstance(value, int) and not isinstance(value, bool) and value >= 0
        for value in content.values()
    )
    if not is_map:
        raise DataError("expected {class: number of the model's output}", where=str(path))
    return content


def _natural(classes: Sequence[str]) -> Mapping[str, int]:
    return {name: place for place, name in enumerate(natural_order(classes))}


def _imagenet() -> Mapping[str, int]:
    from .timm_models import imagenet_synsets  # noqa: PLC0415 - timm is optional

    return {name: index for index, name in enumerate(imagenet_synsets())}
