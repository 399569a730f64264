"""The chosen cascades beside the best single model: accuracy, MACs, and measured time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..arrays import BoolArray, frozen
from ..cascade import Cascade, reach_of
from ..entries import Latency
from ..evaluate.dense import decide_on
from ..evaluate.pool_summary import summarise
from ..intervals import wilson_interval
from ..latency import LatencyProfile, Setting
from ..pools.pool import Pool
from .axis import plain_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What a cascade does on one split.

    Args:
        name: the pool's name.
        right: bool [n_samples], whether each answer is right.
        reach: share of samples that run each member.
        macs: expected MACs per sample.
    """

    name: str
    right: BoolArray = field(compare=False, repr=False)
    reach: tuple[float, ...]
    macs: float

    @property
    def n_samples(self) -> int:
        """The number of samples."""
        return len(self.right)

    @property
    def n_correct(self) -> int:
        """The number of right answers."""
        return int(np.count_nonzero(self.right))

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self.n_correct / self.n_samples

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the accuracy."""
        return wilson_interval(self.n_correct, self.n_samples)

    @property
    def exit_shares(self) -> tuple[float, ...]:
        """The share of samples that each stage answers."""
        following = (*self.reach[1:], 0.0)
        return tuple(here - after for here, after in zip(self.reach, following, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredTime:
    """A measured time in ms per batch.

    Args:
        batch_size: rows per batch.
        mean_ms: mean over batches of the median of each one's times. Batches differ in how far
            their samples go, so the median over batches would hide the long way.
        p50_ms: median over all times.
        predicted_ms: what the profile predicts for the same samples, None where it does not.
        setting: where it was measured.
        is_disturbed: whether the machine was so busy that it is made of processor time.
    """

    batch_size: int
    mean_ms: float
    p50_ms: float
    predicted_ms: float | None
    setting: Setting
    is_disturbed: bool = False

    def __str__(self) -> str:
        return f"{self.mean_ms:.4f} ms{' of processor time' if self.is_disturbed else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One column of the comparison.

    Args:
        name: for people: "best single model", "cascade chosen by MACs".
        cascade: a single model is a cascade of one member.
        splits: one for each pool, in the order of the pools.
        latencies: measured times of the whole cascade as one, at most one for each batch size.
    """

    name: str
    cascade: Cascade
    splits: tuple[Split, ...]
    latencies: tuple[MeasuredTime, ...] = ()

    def measured(self, batch_size: int) -> MeasuredTime | None:
        """The measured time at a batch size, None where there is none."""
        return next((one for one in self.latencies if one.batch_size == batch_size), None)


def contender(
    name: str, cascade: Cascade, pools: Sequence[Pool], *, latencies: Sequence[MeasuredTime] = ()
) -> Contender:
    """Runs the cascade over the stored outputs of each pool.

    Raises:
        PoolError: a pool lacks one of the members.
    """
    splits = tuple(_split(cascade, pool) for pool in pools)
    return Contender(name=name, cascade=cascade, splits=splits, latencies=tuple(latencies))


def measured_cascade(latencies: Sequence[Latency]) -> tuple[MeasuredTime, ...]:
    """The times of a bundle, ascending by batch size; of one batch size the latest."""
    latest = {latency.timing.batch_size: latency for latency in latencies}
    return tuple(
        MeasuredTime(
            batch_size=size,
            mean_ms=latest[size].mean_ms,
            p50_ms=latest[size].timing.p50_ms,
            predicted_ms=latest[size].predicted_ms,
            setting=latest[size].setting,
            is_disturbed=latest[size].timing.is_disturbed,
        )
        for size in sorted(latest)
    )


def measured_model(profile: LatencyProfile, member: str) -> tuple[MeasuredTime, ...]:
    """The times of a single model as a cascade of one, to be compared with measured cascades.

    What its session took in a profile, and what the executor was measured to spend on a call.
    """
    if member not in profile.members:
        return ()
    times = {
        size: profile.cascade_ms((member,), (1.0,), batch_size=size)
        for size in profile.batch_sizes(member)
    }
    disturbed = {t.batch_size for t in profile.timings if t.name == member and t.is_disturbed}
    return tuple(
        MeasuredTime(
            batch_size=size,
            mean_ms=ms,
            p50_ms=ms,
            predicted_ms=None,
            setting=profile.setting,
            is_disturbed=size in disturbed,
        )
        for size, ms in times.items()
    )


def best_single_model(pool: Pool) -> Cascade:
    """The most accurate model of a pool, of equals the one with the fewest MACs, alone."""
    macs = pool.costs("macs")
    models = summarise(pool).models
    best = max(range(pool.n_models), key=lambda i: (models[i].accuracy, -macs[i]))
    return Cascade(members=(models[best].name,), thresholds=())


def comparison_rows(contenders: Sequence[Contender]) -> list[tuple[str, ...]]:
    """The table as text: a row's name, then one cell for each contender (the first: baseline)."""
    baseline = contenders[0]
    rows: list[tuple[str, ...]] = []
    for i, split in enumerate(baseline.splits):
        title = f"accuracy on {split.name}, n = {split.n_samples} (95 % interval)"
        rows.append((title, *(accuracy_text(one.splits[i]) for one in contenders)))
    if baseline.splits:
        macs = [one.splits[-1].macs for one in contenders]
        title = f"MACs per sample on {baseline.splits[-1].name}"
        rows.append((title, *_beside_first(macs, [plain_number(value) for value in macs])))
    for batch_size in _common_batch_sizes(contenders):
        found = [one.measured(batch_size) for one in contenders]
        times = [one.mean_ms if one else None for one in found]
        texts = [str(one) if one else "not measured" for one in found]
        title = f"measured time per batch of {batch_size} (mean)"
        rows.append((title, *_beside_first(times, texts)))
    return rows


def accuracy_text(split: Split) -> str:
    """The accuracy with its interval."""
    low, high = split.interval
    return f"{100 * split.accuracy:.2f} % ({100 * low:.2f} .. {100 * high:.2f})"


def _split(cascade: Cascade, pool: Pool) -> Split:
    decision = decide_on(cascade, pool)
    reach = reach_of(decision.stage, n_stages=cascade.n_stages)
    macs = pool.costs("macs")[[pool.index(member) for member in cascade.members]]
    return Split(
        name=pool.name,
        right=frozen(decision.label == pool.label),
        reach=tuple(reach.tolist()),
        macs=float((reach * macs).sum()),
    )


def _common_batch_sizes(contenders: Sequence[Contender]) -> list[int]:
    """The batch sizes that the baseline and one other contender at least were measured at."""
    baseline, others = contenders[0], contenders[1:]
    wanted = {latency.batch_size for one in others for latency in one.latencies}
    return [one.batch_size for one in baseline.latencies if one.batch_size in wanted]


def _beside_first(values: Sequence[float | None], texts: Sequence[str]) -> list[str]:
    first = values[0]
    cells = [texts[0]]
    for value, text in zip(values[1:], texts[1:], strict=True):
        if value is None or first is None:
            cells.append(text)
        else:
            cells.append(f"{text} ({value / first:.2f} x)")
    return cells
