"""The one door to numba: how functions of the search are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from ..errors import MissingExtraError

try:
    import numba
except ImportError as error:
    raise MissingExtraError("the search", extra="search") from error

prange = numba.prange
n_threads = numba.get_num_threads

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compiles a function at its first call and keeps the machine code for later processes.

    The kept code is found by the age of the function's own file alone: a compiled function calls
    only compiled functions of the same file.
    """
    return cast(Function, numba.njit(cache=True)(function))


def compiled_parallel(function: Function) -> Function:
    """As `compiled`, with the iterations of `prange` loops spread over the threads.

    Such loops write to places of their own, so the result is the same on any number of threads.
    """
    return cast(Function, numba.njit(cache=True, parallel=True)(function))
