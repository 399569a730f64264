"""Axes: where a value lies on a line, and which values deserve a tick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LOG_STEPS = ((1.0,), (1.0, 2.0, 5.0), tuple(float(i) for i in range(1, 10)))
MIN_TICKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAxis:
    """A logarithmic axis from `low` to `high`, drawn from pixel `start` to pixel `end`.

    Args:
        low: the value at `start`, above 0.
        high: the value at `end`, above `low`.
        start: pixels; larger than `end` for an axis that runs upwards.
        end: pixels.
    """

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> LogAxis:
        """An axis that shows all positive `values`, with a margin of 6 % at both ends."""
        positive = [value for value in values if value > 0] or [1.0]
        low, high = min(positive), max(positive)
        margin = max((high / low) ** 0.06, 1.05)
        return cls(low=low / margin, high=high * margin, start=start, end=end)

    def place(self, value: float) -> float:
        """The pixel of `value`; values outside lie on the end that they passed."""
        inside = min(max(value, self.low), self.high)
        share = math.log(inside / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> tuple[float, ...]:
        """Round values on the axis, five or more: decades, parts of decades, or even steps."""
        for steps in LOG_STEPS:
            ticks = self._of_decades(steps)
            if len(ticks) >= MIN_TICKS:
                return ticks
        return even_ticks(self.low, self.high)

    def _of_decades(self, steps: Sequence[float]) -> tuple[float, ...]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        return tuple(tick for tick in ticks if self.low <= tick <= self.high)


def even_ticks(low: float, high: float) -> tuple[float, ...]:
    """Three to nine multiples of 1, 2 or 5 times a power of ten between `low` and `high`."""
    least = (high - low) / 8
    scale = 10.0 ** math.floor(math.log10(least))
    step = next(factor * scale for factor in (1, 2, 5, 10) if factor * scale >= least)
    return tuple(i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1))


def plain_number(value: float) -> str:
    """Three significant digits and a prefix: 12.4 M, 640, 0.0123."""
    for limit, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * limit:
            return f"{_digits(value / limit)} {prefix}"
    return _digits(value)


def percent(share: float) -> str:
    """A share as a percentage without needless digits: 97.5 %."""
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + " %"


def _digits(value: float) -> str:
    text = f"{value:.3g}"
    return f"{float(text):.0f}" if "e+" in text else text
