"""The record of one classifier of a pool, and the hashes that pools are known by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Kind: TypeAlias = Literal["probabilities", "logits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One classifier of a pool.

    Args:
        name: unique in the pool.
        kind: what is stored: "probabilities" or "logits".
        costs: cost per sample by name: "macs" unless nobody can count them, "params", others.
        source: the SPEC that the model came from, "" where it is not known.
        temperature: the probabilities are softmax(logits / temperature).
    """

    name: str
    kind: Kind
    costs: Mapping[str, float]
    source: str = ""
    temperature: float = 1.0


def cost_name_fault(name: object) -> str | None:
    """What is wrong with the name of a cost: it must be a word such as macs, params or joules."""
    if isinstance(name, str) and name.replace("-", "_").replace(".", "_").isidentifier():
        return None
    return f"a cost must be named by a word such as macs, params or joules, got {name!r}"


def array_sha256(array: NDArray[Any]) -> str:
    """The SHA-256 of the array's .npy serialisation, whether it lies in memory or in a file."""
    digest = _DigestFile()
    np.lib.format.write_array(digest, np.ascontiguousarray(array), allow_pickle=False)
    return digest.hexdigest()


def pool_sha256(models: Sequence[Model], output_hashes: Sequence[str], label_hash: str) -> str:
    """The SHA-256 that identifies a pool's content."""
    records = [
        [m.name, m.kind, _costs_json(m), m.source, float(m.temperature), digest]
        for m, digest in zip(models, output_hashes, strict=True)
    ]
    text = json.dumps([records, label_hash], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _costs_json(model: Model) -> dict[str, float]:
    # A cost read back from JSON is a float: 5 and 5.0 must not make different pools.
    return {name: float(cost) for name, cost in sorted(model.costs.items())}


class _DigestFile:
    """A file to write to that keeps nothing but the digest."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return len(data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
