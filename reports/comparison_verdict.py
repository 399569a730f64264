"""What a comparison says, in plain sentences that hold in every case."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import numpy as np

from ..intervals import paired_interval
from .comparison import Contender, Split

# Repeated measurements agree within a tenth (runtime/clock.py), so less is no difference.
SAME_TIME = 1.1
ROUNDING = 1e-9


def verdict(baseline: Contender, other: Contender) -> str:
    """What the comparison says of `other`, in plain sentences; the last one is the sum of it."""
    sentences: list[str] = []
    saves_macs = False
    in_short: list[str] = []
    if other.splits:
        ours, theirs = other.splits[-1], baseline.splits[-1]
        low, high = _difference(ours, theirs)
        sentences.append(
            f"The {other.name} answers {ours.n_correct} of {ours.n_samples} samples of "
            f"{ours.name} rightly, the {baseline.name} {theirs.n_correct} (paired 95 % interval "
            f"of the difference: {100 * low:+.2f} .. {100 * high:+.2f} points)."
        )
        sentences.append(f"It spends {_share_of_macs(ours.macs, theirs.macs)}.")
        saves_macs = ours.macs < theirs.macs
        in_short.append(_accuracy_in_short(low, high, ours.n_samples))
    ratios = {
        ours.batch_size: ours.mean_ms / theirs.mean_ms
        for ours in other.latencies
        if (theirs := baseline.measured(ours.batch_size))
    }
    if ratios:
        clauses = [f"{_speed(ratio)} at batch size {size}" for size, ratio in ratios.items()]
        sentences.append(f"In measured time it is {' and '.join(clauses)}.")
        in_short.append(_speed_in_short(list(ratios.values())))
    if any(time.is_disturbed for one in (baseline, other) for time in one.latencies):
        sentences.append("The machine was busy: some of these are times of the processor.")
    if saves_macs and any(ratio > SAME_TIME for ratio in ratios.values()):
        sentences.append("Fewer MACs are not always less time.")
    if len(in_short) > 1:
        sentences.append(f"In short: {' and '.join(in_short)}.")
    return " ".join(sentences)


def _difference(ours: Split, theirs: Split) -> tuple[float, float]:
    """The paired 95 % interval of the accuracy that `ours` has more."""
    n_gained = int(np.count_nonzero(ours.right & ~theirs.right))
    n_lost = int(np.count_nonzero(theirs.right & ~ours.right))
    return paired_interval(n_lost, n_gained, ours.n_samples)


def _share_of_macs(ours: float, theirs: float) -> str:
    if f"{ours / theirs:.2f}" == "1.00":
        return "as many MACs"
    if ours < theirs:
        return f"{theirs / ours:.2f} times fewer MACs"
    return f"{ours / theirs:.2f} times as many MACs"


def _speed(ratio: float) -> str:
    if ratio > SAME_TIME:
        return f"slower ({ratio:.2f} times the time)"
    if ratio < 1 / SAME_TIME:
        return f"{1 / ratio:.2f} times as fast"
    return f"as fast ({ratio:.2f} times the time)"


def _accuracy_in_short(low: float, high: float, n_samples: int) -> str:
    if low > 0:
        return "more accurate"
    if high < 0:
        return "less accurate"
    return f"as accurate, as far as {n_samples} samples tell,"


def _speed_in_short(ratios: Sequence[float]) -> str:
    slowest, fastest = max(ratios), min(ratios)
    if slowest < 1 / SAME_TIME:
        # Rounded down, so that "at least" holds.
        return f"at least {floor(10 / slowest + ROUNDING) / 10:.1f} times as fast"
    if fastest > SAME_TIME:
        return "slower"
    if slowest > SAME_TIME:
        return "not faster at every batch size"
    return "as fast" if fastest >= 1 / SAME_TIME else "as fast or faster"
