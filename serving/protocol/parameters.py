"""What requests may say beside their tensors, and how large they may be."""

from __future__ import annotations

from typing import Any

from .protocol import Parameters, Refusal, RegionSlice

MAX_TENSORS = 64
MAX_RANK = 8


def text_of(value: Any, what: str) -> str:
    """The value, a string.

    Raises:
        Refusal: it is none.
    """
    if not isinstance(value, str):
        raise Refusal("invalid", f"{what} must be a string")
    return value


def whole_of(value: Any, what: str) -> int:
    """The value, a whole number of at least 0.

    Raises:
        Refusal: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Refusal("invalid", f"{what} must be a whole number of at least 0")
    return value


def region_of(parameters: Parameters, what: str) -> RegionSlice | None:
    """The place in shared memory that a tensor's parameters name, or None.

    Raises:
        Refusal: the parameters have other types.
    """
    if "shared_memory_region" not in parameters:
        return None
    return RegionSlice(
        region=text_of(parameters["shared_memory_region"], f"shared_memory_region of {what}"),
        byte_size=whole_of(
            parameters.get("shared_memory_byte_size"), f"shared_memory_byte_size of {what}"
        ),
        offset=whole_of(parameters.get("shared_memory_offset", 0), f"offset of {what}"),
    )
