"""The state of work as plain arrays, from which it continues as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import SearchError

State: TypeAlias = Mapping[str, NDArray]


def joined(parts: Mapping[str, State]) -> dict[str, NDArray]:
    """One state of several, the names of each behind its prefix."""
    return {
        f"{prefix}.{name}": array for prefix, part in parts.items() for name, array in part.items()
    }


def part_of(state: State, prefix: str) -> State:
    """The entries of one part of a `joined` state."""
    start = f"{prefix}."
    return {n.removeprefix(start): a for n, a in state.items() if n.startswith(start)}


def rng_state(rng: np.random.Generator) -> NDArray:
    """The state of a generator's bit generator, as bytes of JSON in an array."""
    text = json.dumps(rng.bit_generator.state, default=np.ndarray.tolist)
    return np.frombuffer(text.encode(), np.uint8)


def restore_rng(rng: np.random.Generator, state: NDArray) -> None:
    """Sets a generator to a state that `rng_state` gave.

    Raises:
        SearchError: the state is that of another kind of bit generator.
    """
    values = json.loads(state.tobytes())
    expected = rng.bit_generator.state["bit_generator"]
    if values["bit_generator"] != expected:
        raise SearchError(
            f"the state is of a {values['bit_generator']} generator, expected {expected}"
        )
    rng.bit_generator.state = values


def arrays_of(value: Any) -> dict[str, NDArray]:
    """The fields of a dataclass of arrays and scalars, copied."""
    return {f.name: np.array(getattr(value, f.name)) for f in fields(value)}


def fields_from(state: State) -> dict[str, Any]:
    """The fields that `arrays_of` gave, scalars as Python numbers."""
    return {name: array.copy() if array.ndim else array.item() for name, array in state.items()}
