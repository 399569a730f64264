"""Rows of long benchmarks, each stored as soon as it is measured: what is there is not repeated."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cifar10 import REPOSITORY

FOLDER = REPOSITORY / "build" / "bench"


def stored(name: str, key: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The row of build/bench/NAME.jsonl with these values, measured if it is not there yet."""
    path = FOLDER / f"{name}.jsonl"
    for row in _rows(path):
        if row.items() >= key.items():
            return row
    row = key | measure()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
