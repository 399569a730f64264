"""The Triton model that gives labels their class names, which `classes.json` beside it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .triton_batch import gathered, responses


class TritonPythonModel:
    """See the documentation of Triton's Python backend."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the names."""
        file = Path(args["model_repository"], args["model_version"], "classes.json")
        names = json.loads(file.read_text("utf-8"))
        self._names = np.array([name.encode() for name in names], object)

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        label, rows = gathered(requests, "label")
        return responses({"class": self._names[label]}, rows)
