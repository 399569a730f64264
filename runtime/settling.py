"""How time is measured: windows of calls until they agree, or an error instead of a number.

A window runs every call a fixed number of times, 25 at least and as often as fills a twentieth of
a second: on calls of microseconds, a short window sees only the mood of the moment. Its figure is
the mean over the calls of the median of each call's times, so that a stolen time slice does not
move it. The measurement is stable when the figures of three windows in a row are within 10 %.

Windows agree on a machine that is busy all the time, too, and calls that are longer than a time
slice are then measured two or three times too long. So on a CPU the processor time of each call is
read beside its wall time (onnxruntime's threads count in it). What other processes do stretches
the second and leaves the first nearly as it is. The rule:

* `share` of a window: its figure in processor time over its figure in wall time.
* `undisturbed`: the share where nobody disturbs. With one thread it is 1. With n threads nobody
  knows: from 1/n of the processor time to all of it can be the wall time. It is learned from the
  quietest stretch of all windows: the largest share of any 2 ms (of any call, if calls are longer),
  at most n. Calls longer than that seldom run alone on a busy machine: they share what is learned
  with the others that are measured in turns with them, so that the ratios of their times are those
  of their processor times.
* A window is quiet where its share is at least 0.9 times the undisturbed one.
* Three windows in a row that are quiet and agree: their wall time counts.
* Else, after six windows, the three that took the least processor time (what disturbs only adds to
  it), if they agree in it: this time, over the undisturbed share, counts for the wall time, and
  the measurement says so (`clock`). Where these three are quiet, their wall time counts.

Source of the protocol: Triton Model Navigator (NVIDIA), "Profiling": windows of 25 calls, three in
a row within 10 %, at most ten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..arrays import DoubleArray
from ..errors import ProfileError
from ..timings import TimeSource
from .clock import DEFAULT_PROTOCOL, STOPWATCH, StabilityProtocol, Stopwatch

Call: TypeAlias = Callable[[], object]

NS_PER_MS = 1e6
MIN_REPEATS = 3
MAX_REPEATS = 100_000
# A window's share of the undisturbed one, at least, where it is quiet.
QUIET = 0.9
STRETCH_MS = 2.0
# Processor time counts only after so many times the windows that must agree.
PATIENCE = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurement:
    """What was measured.

    Args:
        figures_ms: float64 [n_calls], what each call takes: the median of its wall times, or its
            processor time over the undisturbed share.
        times_ms: float64 [n_calls, n_times], every wall time of the windows that agreed.
        clock: which time the figures are made of.
        n_windows: how many windows it took.
        n_runs: how many calls were made in all.
    """

    figures_ms: DoubleArray
    times_ms: DoubleArray
    clock: TimeSource
    n_windows: int
    n_runs: int

    @property
    def typical_ms(self) -> float:
        """Mean over the calls of what each one takes."""
        return float(self.figures_ms.mean())


def measure(
    calls: Sequence[Call],
    *,
    name: str,
    protocol: StabilityProtocol = DEFAULT_PROTOCOL,
    stopwatch: Stopwatch = STOPWATCH,
    n_threads: int | None = None,
) -> Measurement:
    """Times calls that have been warmed up; see `Settling`.

    Raises:
        ProfileError: the windows never agreed.
    """
    work = Settling(calls, name=name, protocol=protocol, stopwatch=stopwatch, n_threads=n_threads)
    while not work.is_settled:
        work.step()
    return work.found()


class Settling:
    """A measurement under way, window by window, so that several can take turns.

    Args:
        calls: what to time, warmed up; several where the work differs from input to input, and
            then each window runs all of them.
        name: what is measured, for the error.
        protocol: when the measurement counts.
        stopwatch: the clocks.
        n_threads: of this process that a call runs on, at most; None: it runs elsewhere, and
            processor time tells nothing.
        company: all that are measured in turns on as many rows, this one among them.
    """

    def __init__(
        self,
        calls: Sequence[Call],
        *,
        name: str,
        protocol: StabilityProtocol = DEFAULT_PROTOCOL,
        stopwatch: Stopwatch = STOPWATCH,
        n_threads: int | None = None,
        company: Sequence[Settling] = (),
    ) -> None:
        self._calls = calls
        self._name = name
        self._protocol = protocol
        self._stopwatch = stopwatch
        self._n_threads = n_threads
        self._company = company
        self._chosen = list[_Window]()
        self._repeats = 0
        self._windows = list[_Window]()

    @property
    def is_settled(self) -> bool:
        """Whether enough is known of it."""
        return bool(self._chosen)

    @property
    def needs_company(self) -> bool:
        """Whether what the others learn can still move the figure."""
        return (self._n_threads or 1) > 1 and self.has_long_calls

    def step(self) -> None:
        """Times one more window.

        Raises:
            ProfileError: as many windows as there may be never agreed.
        """
        protocol = self._protocol
        self._repeats = self._repeats or self._fitting_repeats()
        self._windows.append(self._window(self._repeats, pause_s=protocol.pace_ms / 1e3))
        latest = self._windows[-protocol.agree :]
        quickest = sorted(self._windows, key=lambda window: window.ran_ms)[: protocol.agree]
        is_patient = len(self._windows) >= min(PATIENCE * protocol.agree, protocol.max_windows)
        if self._are_quiet(latest) and self._agree([window.took_ms for window in latest]):
            self._chosen = latest
        elif self._n_threads and is_patient and self._agree([w.ran_ms for w in quickest]):
            self._chosen = quickest
        elif len(self._windows) >= protocol.max_windows:
            shown = ", ".join(f"{window.took_ms:.4g}" for window in self._windows)
            raise ProfileError(
                f"{protocol.max_windows} windows never had {protocol.agree} in a row within "
                f"{protocol.tolerance:.0%} (ms: {shown}); stop what else runs here, or allow more "
                "windows with --max-windows",
                where=self._name,
            )

    def found(self) -> Measurement:
        """What was measured, once it is settled; the company must be settled where it needs one."""
        clock: TimeSource = "wall" if self._are_quiet(self._chosen) else "processor"
        times = np.concatenate([window.wall_ms for window in self._chosen], axis=1)
        counted = times
        if clock == "processor":
            ran = np.concatenate([window.processor_ms for window in self._chosen], axis=1)
            counted = ran / self._undisturbed_share()
        n_runs = len(self._calls) * (MIN_REPEATS + self._repeats * len(self._windows))
        return Measurement(
            figures_ms=np.median(counted, axis=1),
            times_ms=times,
            clock=clock,
            n_windows=len(self._windows),
            n_runs=n_runs,
        )

    def _are_quiet(self, windows: Sequence[_Window]) -> bool:
        undisturbed = self._undisturbed_share()
        return all(window.ran_ms >= QUIET * undisturbed * window.took_ms for window in windows)

    def _agree(self, figures: Sequence[float]) -> bool:
        is_enough = len(figures) == self._protocol.agree
        return is_enough and max(figures) <= min(figures) * (1 + self._protocol.tolerance)

    def _undisturbed_share(self) -> float:
        """Processor time over wall time where nobody disturbs; 0 where that tells nothing."""
        if self._n_threads is None:
            return 0.0
        if self._n_threads == 1:
            return 1.0
        long = [one for one in self._company if one.has_long_calls] if self.has_long_calls else []
        return min(self._n_threads, max(one.largest_share for one in (self, *long)))

    @property
    def largest_share(self) -> float:
        """Processor time over wall time of the quietest stretch so far."""
        return max((window.largest_share for window in self._windows), default=0.0)

    @property
    def has_long_calls(self) -> bool:
        """Whether a call is longer than a stretch."""
        return any(window.ran_ms > STRETCH_MS for window in self._windows)

    def _fitting_repeats(self) -> int:
        """How often a window runs each call; a short trial tells how long one takes."""
        protocol, n_calls = self._protocol, len(self._calls)
        fewest = max(MIN_REPEATS, -(-protocol.window // n_calls))
        trial_ms = self._window(MIN_REPEATS).took_ms * n_calls
        if trial_ms <= 0 or protocol.pace_ms:
            return fewest
        return min(MAX_REPEATS, max(fewest, int(protocol.min_window_ms / trial_ms) + 1))

    def _window(self, repeats: int, *, pause_s: float = 0.0) -> _Window:
        wall, processor = self._stopwatch.wall, self._stopwatch.processor
        if self._n_threads is None:
            processor = _no_time
        times = np.zeros((2, len(self._calls), repeats), np.float64)
        for repeat in range(repeats):
            for index, call in enumerate(self._calls):
                if pause_s:
                    time.sleep(pause_s)
                ran = processor()
                start = wall()
                call()
                times[0, index, repeat] = (wall() - start) / NS_PER_MS
                times[1, index, repeat] = (processor() - ran) / NS_PER_MS
        return _Window(wall_ms=times[0], processor_ms=times[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Window:
    """The times of one window, float64 [n_calls, n_repeats] each."""

    wall_ms: DoubleArray
    processor_ms: DoubleArray

    @property
    def took_ms(self) -> float:
        """Its figure in wall time."""
        return _typical(self.wall_ms)

    @property
    def ran_ms(self) -> float:
        """Its figure in processor time."""
        return _typical(self.processor_ms)

    @property
    def largest_share(self) -> float:
        """The largest share of any stretch of 2 ms, or call, in the order that they ran in."""
        wall_ms, processor_ms = self.wall_ms.T.ravel(), self.processor_ms.T.ravel()
        stretch = (np.cumsum(wall_ms) / STRETCH_MS).astype(np.int64)
        totals = np.bincount(stretch, wall_ms), np.bincount(stretch, processor_ms)
        is_whole = totals[0] >= min(STRETCH_MS / 2, totals[0].max())
        is_whole &= totals[0] > 0
        if not is_whole.any():
            return 0.0
        return float((totals[1][is_whole] / totals[0][is_whole]).max())


def _no_time() -> int:
    return 0


def _typical(times: DoubleArray) -> float:
    return float(np.median(times, axis=1).mean())
