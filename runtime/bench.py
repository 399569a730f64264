"""Measures a composed cascade, beside the prediction and beside its members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..cascade import reach_of
from ..data.samples import Batch
from ..entries import Latency
from ..errors import ProfileError
from ..latency import LatencyProfile, Timing
from .clock import DEFAULT_PROTOCOL, STOPWATCH, StabilityProtocol, Stopwatch, threads_of
from .executor import Predictor
from .profiler import check_same_setting, setting_under
from .session import samples_of
from .settling import measure

MIN_BATCHES = 25
MIN_SAMPLES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberTime:
    """What one member takes on full batches.

    Args:
        name: the member.
        p50_ms: median of its session alone.
        composed_ms: as a cascade of one, through the executor: beside the whole cascade's time.
    """

    name: str
    p50_ms: float
    composed_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A composed cascade at one batch size.

    Args:
        latency: its measured time and the prediction.
        members: what each member takes, on full batches.
        padding_waste: share of the rows run that were padding.
    """

    latency: Latency
    members: tuple[MemberTime, ...]
    padding_waste: float

    @property
    def prediction_error(self) -> float:
        """(predicted - measured) / measured."""
        predicted = self.latency.predicted_ms or 0.0
        return (predicted - self.latency.mean_ms) / self.latency.mean_ms


def profiled_sizes(batch_size: int) -> tuple[int, ...]:
    """The batch sizes that members are measured at to predict a cascade at `batch_size`."""
    powers = {2**i for i in range(batch_size.bit_length())}
    return tuple(sorted(powers | {batch_size}))


def batches_of(n_samples: int, batch_size: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of the batches that a cascade is timed on, int64 [n_batches, batch_size].

    Raises:
        ProfileError: there are fewer samples than one batch has.
    """
    if n_samples < batch_size:
        raise ProfileError(f"a batch of {batch_size} needs as many samples, got {n_samples}")
    wanted = max(MIN_BATCHES, -(-MIN_SAMPLES // batch_size))
    n_batches = min(wanted, n_samples // batch_size)
    return rng.permutation(n_samples)[: n_batches * batch_size].reshape(n_batches, batch_size)


def bench(
    runner: Predictor,
    batches: Sequence[Batch],
    profile: LatencyProfile,
    *,
    name: str,
    data: str,
    protocol: StabilityProtocol = DEFAULT_PROTOCOL,
    stopwatch: Stopwatch = STOPWATCH,
) -> Bench:
    """Times a cascade on batches of equal size, whose samples leave where they leave.

    Args:
        runner: the cascade, warmed up.
        batches: of as many samples each; every window runs all of them.
        profile: times of the members in the same setting, for the prediction.
        name: of the bundle.
        data: where the samples come from; "random" for random input.
        protocol: when the measurement counts.
        stopwatch: the clocks.

    Raises:
        ProfileError: the times never settled, or the profile comes from another setting.
    """
    setting = setting_under(protocol, runner.info.setting)
    check_same_setting(profile.setting, setting)
    batch_size = len(samples_of(batches[0], runner.inputs))
    cascade = runner.cascade
    predictions = [runner(batch) for batch in batches]
    reach = reach_of(np.concatenate([p.stage for p in predictions]), n_stages=cascade.n_stages)
    measured = measure(
        [partial(runner, batch) for batch in batches],
        name=f"{name} at batch size {batch_size}",
        protocol=protocol,
        stopwatch=stopwatch,
        n_threads=threads_of(setting),
    )
    predicted_ms = profile.cascade_ms(cascade.members, reach.tolist(), batch_size=batch_size)
    latency = Latency(
        setting=setting,
        timing=Timing.of(
            name,
            batch_size,
            measured.times_ms.ravel().tolist(),
            clock=measured.clock,
            undisturbed_ms=float(np.median(measured.figures_ms)),
        ),
        mean_ms=measured.typical_ms,
        predicted_ms=predicted_ms,
        reach=tuple(reach.tolist()),
        data=data,
    )
    return Bench(
        latency=latency,
        members=tuple(
            MemberTime(
                name=member,
                p50_ms=float(profile.member_ms(member, float(batch_size))),
                composed_ms=profile.cascade_ms((member,), (1.0,), batch_size=batch_size),
            )
            for member in cascade.members
        ),
        padding_waste=float(np.mean([p.padding_waste for p in predictions])),
    )
