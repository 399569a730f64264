"""How time is measured: windows of calls until they agree, or an error instead of a number.

A window runs every call a fixed number of times, 25 at least and as often as fills a twentieth of
a second: on calls of microseconds, a short window sees only the mood of the moment. Its figure is
the mean over the calls of the median of each call's times, so that a stolen time slice does not
move it. The measurement is stable when the figures of three windows in a row are within 10 %.

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

Clock: TypeAlias = Callable[[], int]
Call: TypeAlias = Callable[[], object]

NS_PER_MS = 1e6
MIN_REPEATS = 3
MAX_REPEATS = 100_000
MAX_PACE_MS = 60_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StabilityProtocol:
    """When a measurement counts.

    Args:
        window: calls in a window, at least.
        min_window_ms: how long a window lasts, at least.
        agree: so many windows in a row must agree.
        tolerance: the largest of their figures is at most 1 + tolerance times the smallest.
        max_windows: after so many windows without agreement there is an error.
        pace_ms: a pause before each call, as between the requests of a service that is not busy:
            clocks fall and caches cool meanwhile (onnxruntime #16135). 0: hot, one call after the
            other.

    Raises:
        ProfileError: values that no measurement can keep.
    """

    window: int = 25
    min_window_ms: float = 50.0
    agree: int = 3
    tolerance: float = 0.1
    max_windows: int = 10
    pace_ms: float = 0.0

    def __post_init__(self) -> None:
        if self.window < 1 or self.agree < 1 or not self.tolerance > 0:
            raise ProfileError("window, agree and tolerance must be positive")
        if not 0 <= self.pace_ms <= MAX_PACE_MS:
            raise ProfileError(f"pace must be in 0..{MAX_PACE_MS:g} ms, got {self.pace_ms:g}")
        if self.max_windows < self.agree:
            raise ProfileError(
                f"{self.agree} windows must agree, so at least as many must be allowed, "
                f"got {self.max_windows}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurement:
    """What was measured.

    Args:
        typical_ms: mean over the calls of the median of each call's times.
        times_ms: float64 [n_calls, n_times], every time of the windows that agreed.
        n_windows: how many windows it took.
        n_runs: how many calls were made in all.
    """

    typical_ms: float
    times_ms: DoubleArray
    n_windows: int
    n_runs: int


DEFAULT_PROTOCOL = StabilityProtocol()


def measure(
    calls: Sequence[Call],
    *,
    name: str,
    protocol: StabilityProtocol = DEFAULT_PROTOCOL,
    clock: Clock = time.perf_counter_ns,
) -> Measurement:
    """Times calls that have been warmed up.

    Args:
        calls: what to time; several where the work differs from input to input, and then each
            window runs all of them.
        name: what is measured, for the error.
        protocol: when the measurement counts.
        clock: gives nanoseconds.

    Raises:
        ProfileError: the windows never agreed.
    """
    repeats = _repeats(calls, protocol, clock)
    windows: list[DoubleArray] = []
    for _ in range(protocol.max_windows):
        windows.append(_window(calls, repeats, clock, pause_s=protocol.pace_ms / 1e3))
        latest = windows[-protocol.agree :]
        figures = [_typical(window) for window in latest]
        if len(latest) == protocol.agree and max(figures) <= min(figures) * (
            1 + protocol.tolerance
        ):
            times = np.concatenate(latest, axis=1)
            return Measurement(
                typical_ms=_typical(times),
                times_ms=times,
                n_windows=len(windows),
                n_runs=len(calls) * (MIN_REPEATS + repeats * len(windows)),
            )
    shown = ", ".join(f"{_typical(window):.4g}" for window in windows)
    raise ProfileError(
        f"{protocol.max_windows} windows never had {protocol.agree} in a row within "
        f"{protocol.tolerance:.0%} (ms: {shown}); stop what else runs here, or allow more windows "
        "with --max-windows",
        where=name,
    )


def _repeats(calls: Sequence[Call], protocol: StabilityProtocol, clock: Clock) -> int:
    """How often a window runs each call; a short trial tells how long one takes."""
    fewest = max(MIN_REPEATS, -(-protocol.window // len(calls)))
    trial_ms = _typical(_window(calls, MIN_REPEATS, clock)) * len(calls)
    if trial_ms <= 0 or protocol.pace_ms:
        return fewest
    return min(MAX_REPEATS, max(fewest, int(protocol.min_window_ms / trial_ms) + 1))


def _window(
    calls: Sequence[Call], repeats: int, clock: Clock, *, pause_s: float = 0.0
) -> DoubleArray:
    times = np.empty((len(calls), repeats), np.float64)
    for repeat in range(repeats):
        for index, call in enumerate(calls):
            if pause_s:
                time.sleep(pause_s)
            start = clock()
            call()
            times[index, repeat] = (clock() - start) / NS_PER_MS
    return times


def _typical(times: DoubleArray) -> float:
    return float(np.median(times, axis=1).mean())
