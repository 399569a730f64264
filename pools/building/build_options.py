"""How a pool is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from ...arrays import ByteArray
from ..models.run_settings import RunSettings

StoredType: TypeAlias = Literal["float16", "float32"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BuildOptions:
    """How a pool is built.

    Args:
        settings: how models run.
        stored: the type that outputs are stored as.
        preprocessing: the file with that of models that do not know their own, or None.
        columns: which outputs of models with other classes than the data are wanted, or None.
        costs: costs by model and name; they count more than what is counted here.
        rows: of the data, for a part of them; None: all.
        held_out: uint8 [n, 32], hashes of samples that are kept for the test, or None.
        decode_threads: images that are decoded at once.
        cache_bytes: pixels that may lie on the disk for the models that share them; where one
            preprocessing needs more, every model decodes the images anew.
        name: of the pool; the folder's name where it is empty.
    """

    settings: RunSettings = field(default_factory=RunSettings)
    stored: StoredType = "float32"
    preprocessing: Path | None = None
    columns: tuple[int, ...] | None = None
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    rows: tuple[int, ...] | None = None
    held_out: ByteArray | None = None
    decode_threads: int = 1
    cache_bytes: int = 64 * 2**30
    name: str = ""
