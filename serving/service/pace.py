"""Whether batches are so quick that handing them to a thread would take longer than they do."""

from __future__ import annotations

import math

MEMORY = 0.1
MIN_BATCHES = 10
QUICK_S, SLOW_S = 0.0003, 0.0006
SHORT_S = 0.003


class Pace:
    """The mean time of the last batches, and what follows from it.

    A hand-over to a thread and back takes 0.1 to 0.2 ms: two wake-ups of sleeping threads. Batches
    below 0.3 ms are quick; above 0.6 ms they are not any more. One batch of 6 ms is enough for
    that. Batches below 3 ms are short: they do not keep the event loop from its other work for
    longer than it matters, where there is hardly any.
    """

    def __init__(self) -> None:
        self._n_batches = 0
        self._mean_s = math.inf
        self._is_quick = False

    @property
    def is_quick(self) -> bool:
        """Whether the next batch can be expected to be quick."""
        return self._is_quick

    @property
    def is_short(self) -> bool:
        """Whether the next batch can be expected to be short."""
        return self._n_batches >= MIN_BATCHES and self._mean_s < SHORT_S

    def note(self, run_s: float) -> None:
        """Learns from a batch."""
        self._n_batches += 1
        known = run_s if math.isinf(self._mean_s) else self._mean_s
        self._mean_s = known + MEMORY * (run_s - known)
        limit_s = SLOW_S if self._is_quick else QUICK_S
        self._is_quick = self._n_batches >= MIN_BATCHES and self._mean_s < limit_s
