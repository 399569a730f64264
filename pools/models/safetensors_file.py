"""Weights in the format safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import MissingExtraError, SourceError

try:
    from safetensors import SafetensorError
    from safetensors.torch import load_file
except ImportError as error:
    raise MissingExtraError("reading .safetensors files", extra="timm") from error


def read_tensors(path: Path) -> dict[str, Any]:
    """The tensors of a file, by name.

    Raises:
        SourceError: it is no such file.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as cause:
        raise SourceError(f"not a safetensors file: {cause}", where=str(path)) from cause
