"""Lanes: compiled functions at work on several threads at the same time.

Batches of a search take less than a millisecond, and to wake a thread takes a tenth of one. So a
thread that has nothing to do looks for work for a moment, without Python's lock, before it sleeps.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from queue import SimpleQueue
from typing import Any, TypeAlias

import numpy as np

from ..processors import usable_processors
from .spinning import spin_while

# How often a counter is looked at before a thread sleeps: about 0.15 ms.
LOOKS = 400_000
POSTED, DONE = 0, 1

Job: TypeAlias = "tuple[Callable[..., object], tuple[Any, ...]]"


def on_lanes(function: Callable[..., object], n_lanes: int, *arguments: object) -> None:
    """Calls a compiled `function(lane, n_lanes, *arguments)` for every lane, each on a thread.

    Lanes write to places of their own, so that the result is the same for any number of them.
    Where other threads have lanes at work already, this one works on all of its own.
    """
    crew = _crew(os.getpid())
    if n_lanes == 1 or not crew.lock.acquire(blocking=False):
        for lane in range(n_lanes):
            function(lane, n_lanes, *arguments)
        return
    try:
        workers = crew.of(n_lanes - 1)
        for lane, worker in enumerate(workers, start=1):
            worker.post(function, lane, n_lanes, *arguments)
        try:
            function(0, n_lanes, *arguments)
        finally:
            # Whatever happens here: nobody goes on while lanes are at work on the same arrays.
            errors = [error for worker in workers if (error := worker.wait()) is not None]
    finally:
        crew.lock.release()
    if errors:
        raise errors[0]


def threads_or_all(n_threads: int | None) -> int:
    """A number of threads as a user gives it: None stands for all processors."""
    return n_threads or usable_processors()


class _Worker(threading.Thread):
    """A thread that does jobs, one after the other, as long as the process lives."""

    def __init__(self, number: int) -> None:
        super().__init__(name=f"encas-lane-{number}", daemon=True)
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._answers: SimpleQueue[tuple[int, BaseException | None]] = SimpleQueue()
        self._counts = np.zeros(2, np.int64)
        self.start()

    def post(self, function: Callable[..., object], *arguments: object) -> None:
        """Hands a job over."""
        self._jobs.put((function, arguments))
        self._counts[POSTED] += 1

    def wait(self) -> BaseException | None:
        """Returns when all jobs are done; gives what the last one has raised."""
        posted = int(self._counts[POSTED])
        spin_while(self._counts, DONE, posted - 1, LOOKS)
        number, error = self._answers.get()
        while number < posted:
            number, error = self._answers.get()
        return error

    def run(self) -> None:
        """Does jobs."""
        n_done = 0
        while True:
            spin_while(self._counts, POSTED, n_done, LOOKS)
            function, arguments = self._jobs.get()
            error: BaseException | None = None
            try:
                function(*arguments)
            except BaseException as cause:  # told to who waits
                error = cause
            del function, arguments
            n_done += 1
            self._answers.put((n_done, error))
            self._counts[DONE] = n_done


class _Crew:
    """The workers of a process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._workers: list[_Worker] = []

    def of(self, n: int) -> list[_Worker]:
        """So many workers."""
        while len(self._workers) < n:
            self._workers.append(_Worker(len(self._workers) + 1))
        return self._workers[:n]


@cache
def _crew(process: int) -> _Crew:  # noqa: ARG001 - threads do not survive a fork
    return _Crew()
