"""Costs that a user brings: a CSV file with one line for each model.

    name,joules,dollars
    resnet20,0.012,3.1e-7

Each column besides `name` is a cost per sample; `macs`, `params` and `memory_bytes` replace what
is counted here.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import PoolError
from .model import Model, cost_name_fault


def read_costs(path: Path) -> dict[str, dict[str, float]]:
    """The costs of a CSV file: model -> cost -> value; empty cells are left out.

    Raises:
        PoolError: names every fault of the file.
    """
    if not path.is_file():
        raise PoolError("no such file", where=str(path))
    try:
        rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (csv.Error, UnicodeDecodeError) as cause:
        raise PoolError(f"not a CSV file: {cause}", where=str(path)) from cause
    header = [word.strip() for word in rows[0]] if rows else []
    costs = header[1:]
    if not costs or header[0] != "name" or "" in costs or len(set(costs)) < len(costs):
        raise PoolError(
            f"expected a first line name,COST,... with different costs, got {','.join(header)!r}",
            where=str(path),
        )
    table: dict[str, dict[str, float]] = {}
    faults = [fault for cost in costs if (fault := cost_name_fault(cost)) is not None]
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        cells = [cell.strip() for cell in row]
        if len(cells) != len(header):
            faults.append(f"line {number}: expected {len(header)} cells, got {len(cells)}")
        elif cells[0] in table:
            faults.append(f"line {number}: the model {cells[0]!r} comes twice")
        else:
            table[cells[0]] = dict(_values(costs, cells[1:], number, faults))
    if faults:
        raise PoolError(*faults, where=str(path))
    return table


def with_costs(
    models: Sequence[Model], table: Mapping[str, Mapping[str, float]], *, where: str
) -> tuple[Model, ...]:
    """The models with the costs of a table added or replaced.

    Raises:
        PoolError: the table names a model that is not there.
    """
    unknown = sorted(set(table) - {model.name for model in models})
    if unknown:
        raise PoolError(
            f"{len(unknown)} models of the table are not in the pool (first: {unknown[0]})",
            where=where,
        )
    return tuple(replace(m, costs={**m.costs, **table.get(m.name, {})}) for m in models)


def _values(
    costs: Sequence[str], cells: Sequence[str], number: int, faults: list[str]
) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for cost, cell in zip(costs, cells, strict=True):
        if not cell:
            continue
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if math.isfinite(value) and value >= 0:
            found.append((cost, value))
        else:
            faults.append(f"line {number}: {cost} must be a finite number >= 0, got {cell!r}")
    return found
