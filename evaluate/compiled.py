"""The one door to numba: how functions of the search are compiled."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar, cast

from ..errors import MissingExtraError
from ..processors import usable_processors

try:
    import numba
except ImportError as error:
    raise MissingExtraError("the search", extra="search") from error

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compiles a function at its first call and keeps the machine code for later processes.

    The kept code is found by the age of the function's own file alone: a compiled function calls
    only compiled functions of the same file. It holds no lock of Python's while it runs.
    """
    return cast(Function, numba.njit(cache=True, nogil=True)(function))


def n_threads() -> int:
    """How many threads a search works on."""
    return usable_processors()


@cache
def _threads(process: int) -> ThreadPoolExecutor:  # noqa: ARG001 - threads do not survive a fork
    return ThreadPoolExecutor(n_threads(), thread_name_prefix="encas-lane")


def on_lanes(function: Callable[..., object], n_lanes: int, *arguments: object) -> None:
    """Calls a compiled `function(lane, n_lanes, *arguments)` for every lane, each on a thread.

    Lanes write to places of their own, so the result is the same on any number of threads.
    """
    others = [
        _threads(os.getpid()).submit(function, lane, n_lanes, *arguments)
        for lane in range(1, n_lanes)
    ]
    function(0, n_lanes, *arguments)
    for other in others:
        other.result()
