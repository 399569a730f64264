"""Lanes: compiled functions at work on several threads at the same time."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from ..processors import usable_processors

N_THREADS = 64


def on_lanes(function: Callable[..., object], n_lanes: int, *arguments: object) -> None:
    """Calls a compiled `function(lane, n_lanes, *arguments)` for every lane, each on a thread.

    Lanes write to places of their own, so that the result is the same for any number of them.
    """
    others = [
        _threads(os.getpid()).submit(function, lane, n_lanes, *arguments)
        for lane in range(1, n_lanes)
    ]
    function(0, n_lanes, *arguments)
    for other in others:
        other.result()


@cache
def _threads(process: int) -> ThreadPoolExecutor:  # noqa: ARG001 - threads do not survive a fork
    return ThreadPoolExecutor(N_THREADS, thread_name_prefix="encas-lane")


def threads_or_all(n_threads: int | None) -> int:
    """A number of threads as a user gives it: None stands for all processors."""
    return n_threads or usable_processors()
