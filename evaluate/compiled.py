"""The one door to numba: how functions of the search are compiled."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from ..errors import MissingExtraError
from ..progress import OnProgress, Progress

try:
    import numba
    from numba.core import event
except ImportError as error:
    raise MissingExtraError("the search", extra="search") from error

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compiles a function at its first call and keeps the machine code for later processes.

    It runs without Python's lock, so that threads can run it at the same time. The kept code is
    found by the age of the function's own file alone: a compiled function calls only functions of
    the same file. To compile fast, loops stand where numpy's functions would.
    """
    return cast(Function, numba.njit(cache=True, nogil=True)(function))


def inlined(function: Function) -> Function:
    """A piece of the compiled functions that call it, which compiles faster than a call."""
    return cast(Function, numba.njit(inline="always")(function))


@contextmanager
def compiling_told(on_progress: OnProgress) -> Generator[None]:
    """Says it where functions are compiled, which takes some seconds when nothing is kept yet."""
    listener = _Compiling(on_progress)
    with event.install_listener("numba:compile", listener):
        yield
    if listener.n_compiled:
        on_progress(listener.progress(total=listener.n_compiled))


class _Compiling(event.Listener):
    """Counts the functions that have been compiled and tells of each one."""

    def __init__(self, on_progress: OnProgress) -> None:
        self.n_compiled = 0
        self._on_progress = on_progress

    def progress(self, *, total: int | None = None) -> Progress:
        return Progress(
            what="compiling the search, which is kept for the next time",
            done=self.n_compiled,
            total=total,
            unit="functions",
        )

    def on_start(self, event: object) -> None:  # noqa: ARG002 - which function does not matter
        self._on_progress(self.progress())

    def on_end(self, event: object) -> None:  # noqa: ARG002 - likewise
        self.n_compiled += 1
