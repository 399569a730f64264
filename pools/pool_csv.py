"""CSV files that pools are imported from: a table of samples, a table of models, single arrays.

label,small:cat,small:dog,large:cat,large:dog        FILE.csv: a line for each sample
0,0.8,0.2,0.9,0.1

name,kind,macs,source                                FILE.models.csv: a line for each model
small,probabilities,1e6,onnx:small.onnx
large,probabilities,9e6,onnx:large.onnx
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PoolError

LABEL = "label"
HEADER = "label,MODEL:CLASS,.. with a column for each class of each model"
# Columns of the table of models that are no cost of their own.
TEXT_COLUMNS = ("name", "kind", "source")
NUMBER_COLUMNS = ("macs", "params", "temperature")


def read_pool_csv(path: Path) -> dict[str, Any]:
    """The arrays of a table of samples, and of the table of models beside it if there is one.

    Raises:
        PoolError: the file has no such header, models with different classes, or cells that are
            no numbers.
    """
    header, *rows = _rows(path) or [[]]
    columns = _columns(header, path)
    classes = _classes(columns, path)
    wrong = [number for number, row in enumerate(rows, start=2) if len(row) != len(header)]
    if wrong:
        fault = f"line {wrong[0]}: expected {len(header)} cells, got {len(rows[wrong[0] - 2])}"
        raise PoolError(fault, where=str(path))
    arrays: dict[str, Any] = {
        "outputs": [
            _numbers([[row[place] for place, _ in named] for row in rows], path)
            for named in columns.values()
        ],
        LABEL: _values([row[header.index(LABEL)] for row in rows]),
        "name": np.array(list(columns)),
    }
    if classes != [str(place) for place in range(len(classes))]:
        arrays["classes"] = np.array(classes)
    beside = path.with_suffix(".models.csv")
    if beside.is_file():
        arrays |= _in_order(read_models(beside), list(columns), beside)
    return arrays


def _columns(header: Sequence[str], path: Path) -> dict[str, list[tuple[int, str]]]:
    """The columns of each model: their places, and the classes that they are of."""
    columns: dict[str, list[tuple[int, str]]] = {}
    for place, word in enumerate(header):
        model, colon, name = word.rpartition(":")
        if colon and model:
            columns.setdefault(model, []).append((place, name))
    if LABEL not in header or not columns:
        what = "no header" if header and _is_number(header[0]) else f"{','.join(header[:4])!r}"
        raise PoolError(
            f"expected the header {HEADER}, got {what}; outputs of one model alone go into a "
            "folder, as outputs/NAME.csv beside label.csv and models.csv: import the folder",
            where=str(path),
        )
    return columns


def _classes(columns: Mapping[str, Sequence[tuple[int, str]]], path: Path) -> list[str]:
    """The classes that all models have in the same order."""
    classes = [name for _, name in next(iter(columns.values()))]
    faults = [
        f"the classes of {model} are others than those of the first model, or in another order"
        for model, named in columns.items()
        if [name for _, name in named] != classes
    ]
    if len(set(classes)) < len(classes):
        faults.append("a class comes twice")
    if faults:
        raise PoolError(*faults, where=str(path))
    return classes


def read_models(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays [M] of a table of models: name, and what else it has columns for.

    Raises:
        PoolError: it has no column `name`, or cells that are no numbers.
    """
    header, *rows = _rows(path) or [[]]
    if header[:1] != ["name"] or len(set(header)) < len(header):
        raise PoolError(
            f"expected a first line name,kind,macs,.. with different columns, got {header}",
            where=str(path),
        )
    wrong = [number for number, row in enumerate(rows, start=2) if len(row) != len(header)]
    if wrong:
        fault = f"line {wrong[0]}: expected {len(header)} cells, got {len(rows[wrong[0] - 2])}"
        raise PoolError(fault, where=str(path))
    arrays: dict[str, NDArray[Any]] = {}
    for place, column in enumerate(header):
        cells = [row[place] for row in rows]
        if column in TEXT_COLUMNS:
            arrays[column] = np.array(cells, np.str_)
        else:
            key = column if column in NUMBER_COLUMNS else f"cost_{column.removeprefix('cost_')}"
            arrays[key] = _numbers([cells], path)[0]
    return arrays


def read_matrix(path: Path) -> NDArray[Any]:
    """The numbers [N, C] of a file; a first line without any number is left out."""
    rows = _rows(path)
    if rows and not any(_is_number(cell) for cell in rows[0]):
        rows = rows[1:]
    widths = {len(row) for row in rows}
    if len(widths) != 1:
        fault = f"expected lines of as many numbers, got {sorted(widths)}"
        raise PoolError(fault, where=str(path))
    return _numbers(rows, path)


def read_values(path: Path) -> NDArray[Any]:
    """The values [n] of a file with one in each line; a first line with the file's name is none."""
    rows = _rows(path)
    if any(len(row) != 1 for row in rows):
        raise PoolError("expected one value in each line", where=str(path))
    values = [row[0] for row in rows]
    return _values(values[1:] if values[:1] == [path.stem] else values)


def _rows(path: Path) -> list[list[str]]:
    """The lines that are not empty, as cells without spaces around them."""
    try:
        rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (csv.Error, UnicodeDecodeError) as cause:
        raise PoolError(f"not a CSV file: {cause}", where=str(path)) from cause
    return [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]


def _values(cells: Sequence[str]) -> NDArray[Any]:
    """Numbers where all cells are numbers, texts otherwise."""
    if all(_is_number(cell) for cell in cells):
        return np.array([float(cell) for cell in cells])
    return np.array(cells, np.str_)


def _numbers(rows: Sequence[Sequence[str]], path: Path) -> NDArray[np.float64]:
    try:
        return np.array(rows, np.float64)
    except ValueError:
        wrong = next(cell for row in rows for cell in row if not _is_number(cell))
        raise PoolError(f"expected numbers, got {wrong!r}", where=str(path)) from None


def _in_order(
    arrays: dict[str, NDArray[Any]], names: Sequence[str], path: Path
) -> dict[str, NDArray[Any]]:
    """The table of models in the order of the table of samples."""
    listed = [str(name) for name in arrays["name"]]
    if sorted(listed) != sorted(names):
        odd = ", ".join(sorted(set(listed) ^ set(names))[:3]) or "a name comes twice"
        fault = f"expected one line for each model of the table; the difference: {odd}"
        raise PoolError(fault, where=str(path))
    order = [listed.index(name) for name in names]
    return {key: array[order] for key, array in arrays.items()}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
