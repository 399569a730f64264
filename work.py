"""The one driver of work that resumes: steps, Ctrl-C, what is kept, progress.

A `Work` advances by steps. A `Keeper` keeps what is done, and gives it back to work that goes on:
arrays in a checkpoint, a profile, a folder of finished models. `drive` knows no more than that.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from .progress import OnProgress, Progress, unheard

PROGRESS_EVERY_S = 0.1


class Work(Protocol):
    """Work that advances by steps."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        ...

    @property
    def progress(self) -> Progress:
        """How far it is; with news, if the last step made some."""
        ...

    def step(self) -> None:
        """Does the next piece of work: seconds, not hours, as Ctrl-C waits for its end."""
        ...


class Keeper(Protocol):
    """Keeps what is done of a work, so that the same work goes on from there."""

    @property
    def every_s(self) -> float:
        """Seconds between two times that it keeps what is done."""
        ...

    @property
    def advice(self) -> str:
        """How to go on after Ctrl-C, for people."""
        ...

    def resume(self) -> None:
        """Gives the work back what is kept of it, if anything is."""
        ...

    def keep(self) -> bool:
        """Keeps what is done; False where that is impossible between just these two steps."""
        ...


def drive(work: Work, *, keeper: Keeper | None = None, on_progress: OnProgress = unheard) -> None:
    """Does all steps of a work that are left.

    Ctrl-C lets the step under way end and keeps what is done; a second one breaks it off, and what
    was kept before stays.

    Args:
        work: is advanced in place.
        keeper: of what is done: asked when it is due, at the end and after Ctrl-C; None: nothing
            is kept.
        on_progress: hears of the beginning, the end and all news; of other steps at most every
            tenth of a second.

    Raises:
        KeyboardInterrupt: Ctrl-C, before the work was finished; with the keeper's advice where what
            was done is kept.
    """
    if keeper is not None:
        keeper.resume()
    saves = None if keeper is None else _Saves(keeper)
    reports = _Reports(work, on_progress)
    with deferred_interrupts() as is_interrupted:
        reports.report(is_due=True)
        while not (is_finished := work.finished) and not is_interrupted():
            work.step()
            reports.report()
            if saves is not None:
                saves.save_if_due()
        if keeper is not None:
            keeper.keep()
    reports.report_end()
    if not is_finished:
        raise KeyboardInterrupt(keeper.advice if keeper else "")


@contextmanager
def deferred_interrupts() -> Generator[Callable[[], bool]]:
    """Yields a function that tells whether Ctrl-C was pressed; pressed again, it raises.

    Leaves the signal alone outside the main thread, where the host handles it itself, and where
    the process was started to ignore it.
    """
    is_asked = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_asked
        if is_asked:
            raise KeyboardInterrupt
        is_asked = True

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: is_asked
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Saves:
    """Keeps what is done, but not after every step."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._kept_at = time.monotonic()

    def save_if_due(self) -> None:
        is_due = time.monotonic() - self._kept_at >= self._keeper.every_s
        if is_due and self._keeper.keep():
            self._kept_at = time.monotonic()


class _Reports:
    """Reports progress, but not after every step."""

    def __init__(self, work: Work, on_progress: OnProgress) -> None:
        self._work = work
        self._on_progress = on_progress
        self._reported_at = -math.inf
        self._last: Progress | None = None

    def report(self, *, is_due: bool = False) -> None:
        if self._on_progress is unheard:
            return
        progress, now = self._work.progress, time.monotonic()
        if is_due or progress.news or now - self._reported_at >= PROGRESS_EVERY_S:
            self._last, self._reported_at = progress, now
            self._on_progress(progress)

    def report_end(self) -> None:
        if self._work.progress != self._last:
            self.report(is_due=True)
