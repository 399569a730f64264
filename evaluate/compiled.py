"""The one door to numba: how functions of the search are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from ..errors import MissingExtraError

try:
    import numba
except ImportError as error:
    raise MissingExtraError("the search", extra="search") from error

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compiles a function at its first call and keeps the machine code for later processes.

    It runs without Python's lock, so that threads can run it at the same time. The kept code is
    found by the age of the function's own file alone: a compiled function calls only functions of
    the same file. To compile fast, loops stand where numpy's functions would.
    """
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """A piece of the compiled functions that call it, which compiles faster than a call."""
    return cast(Function, numba.njit(inline="always")(function))
