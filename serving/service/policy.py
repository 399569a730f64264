"""Under load, slide along the front: which cascade the next batch runs on.

The cascades of a front are gears. The policy takes the dearest one with which what waits now is
answered in time and the arriving rows can be kept up with; it goes down at once, and up one gear at
a time, after the next one would have done for a while (hysteresis).

Source of the idea: gear plans that change the model cascade with the load, S. Kossmann et al.,
"CascadeServe: Unlocking Model Cascades for Inference Serving", 2024, arXiv 2406.14424.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import ServingError
from .request_batch import Load

RATE_MEMORY_S = 0.5
LEARNING, FORGETTING = 0.2, 0.02
CORRECTION_RANGE = (0.05, 20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gear:
    """A cascade and what it costs.

    Args:
        name: of the cascade.
        run_s: predicted seconds of a batch of so many rows.
    """

    name: str
    run_s: Callable[[int], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SloTarget:
    """What the policy aims for.

    Args:
        p99_s: 99 of 100 answers shall come within so many seconds.
        share: of that time which waiting and running may take by the prediction; the rest is for
            the network and for errors of the prediction.
        busy: the share of the time that the cascade may be running.
        calm: for a step up, both shares are this much smaller.
        hold_s: for so long a step up must have been possible.

    Raises:
        ServingError: values that mean nothing.
    """

    p99_s: float
    share: float = 0.5
    busy: float = 0.8
    calm: float = 0.7
    hold_s: float = 1.0

    def __post_init__(self) -> None:
        faults = []
        if not 0 < self.p99_s < math.inf:
            faults.append(f"the target must be above 0 s, got {self.p99_s:g}")
        for name in ("share", "busy", "calm"):
            if not 0 < getattr(self, name) <= 1:
                faults.append(f"{name} must be in (0, 1], got {getattr(self, name):g}")
        if not self.hold_s >= 0:
            faults.append(f"the hold must be 0 s or more, got {self.hold_s:g}")
        if faults:
            raise ServingError(*faults, where="policy")


class SloPolicy:
    """Chooses gears; the clock is an argument.

    Args:
        gears: from the cheapest to the dearest.
        target: what to aim for.
        max_batch_size: rows that run at once.
    """

    def __init__(self, gears: Sequence[Gear], target: SloTarget, *, max_batch_size: int) -> None:
        if not gears:
            raise ServingError("a policy needs gears, got none")
        self._gears = tuple(gears)
        self._target = target
        self._max_batch_size = max_batch_size
        self._corrections = [1.0] * len(gears)
        self._gear = len(gears) - 1
        self._rate = 0.0
        self._left_rows = 0
        self._last_s: float | None = None
        self._calm_since_s: float | None = None

    @property
    def gear(self) -> int:
        """The gear in use."""
        return self._gear

    @property
    def rows_per_s(self) -> float:
        """How many rows arrive, by the latest estimate."""
        return self._rate

    def choose(self, load: Load) -> int:
        """The gear for the batch that is about to run."""
        self._note_arrivals(load)
        best = self._dearest(load, 1.0)
        if best < self._gear:
            self._gear, self._calm_since_s = best, None
        elif self._is_calm(load):
            self._gear, self._calm_since_s = self._gear + 1, None
        return self._gear

    def note_run(self, gear: int, *, rows: int, run_s: float) -> None:
        """Corrects the prediction of a gear by what a batch really took.

        The corrections of the others are slowly forgotten: a gear that was slow when the machine
        was busy would otherwise never be tried again.
        """
        low, high = CORRECTION_RANGE
        factor = min(max(run_s / max(self._gears[gear].run_s(rows), 1e-9), low), high)
        for other, known in enumerate(self._corrections):
            towards, weight = (factor, LEARNING) if other == gear else (1.0, FORGETTING)
            self._corrections[other] = known + weight * (towards - known)

    def _note_arrivals(self, load: Load) -> None:
        if self._last_s is not None and load.now_s > self._last_s:
            elapsed = load.now_s - self._last_s
            arrived = max(0, load.n_rows - self._left_rows)
            keep = math.exp(-elapsed / RATE_MEMORY_S)
            self._rate = keep * self._rate + (1 - keep) * arrived / elapsed
        self._last_s = load.now_s
        self._left_rows = load.n_rows - load.batch_rows

    def _dearest(self, load: Load, calm: float) -> int:
        fitting = [g for g in range(len(self._gears)) if self._fits(g, load, calm)]
        return max(fitting, default=0)

    def _is_calm(self, load: Load) -> bool:
        above = self._gear + 1
        if above == len(self._gears) or not self._fits(above, load, self._target.calm):
            self._calm_since_s = None
            return False
        if self._calm_since_s is None:
            self._calm_since_s = load.now_s
        return load.now_s - self._calm_since_s >= self._target.hold_s

    def _fits(self, gear: int, load: Load, calm: float) -> bool:
        target = self._target
        behind = (load.n_rows - load.batch_rows) / self._max_batch_size
        full_s = self._run_s(gear, self._max_batch_size)
        answered_s = load.oldest_wait_s + self._run_s(gear, load.batch_rows) + behind * full_s
        is_in_time = answered_s <= calm * target.share * target.p99_s
        return is_in_time and self._rate * full_s / self._max_batch_size <= calm * target.busy

    def _run_s(self, gear: int, rows: int) -> float:
        return self._corrections[gear] * self._gears[gear].run_s(rows)
