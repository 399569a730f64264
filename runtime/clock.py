"""The clocks that times are read from, and when a measurement counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..errors import ProfileError
from ..timings import Setting

Clock: TypeAlias = Callable[[], int]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopwatch:
    """The two clocks of a measurement.

    Args:
        wall: gives nanoseconds.
        processor: gives the nanoseconds that all threads of this process have run.
    """

    wall: Clock = time.perf_counter_ns
    processor: Clock = time.process_time_ns


def threads_of(setting: Setting) -> int | None:
    """The threads of this process that a session's calls run on; None: it runs elsewhere."""
    return setting.n_threads if setting.device == "cpu" else None


DEFAULT_PROTOCOL = StabilityProtocol()
STOPWATCH = Stopwatch()
