"""One measured time: `Timing`, and the `Setting` that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

NS_DIGITS = 6
MAX_SAMPLES = 1000

# What a time is made of: the clock on the wall, or the processor's where others disturbed that.
TimeSource: TypeAlias = Literal["wall", "processor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where and how a time was measured; times of different settings are never mixed.

    Args:
        device: "cpu", "cuda:0", ...
        device_name: the processor's or accelerator's own name.
        provider: the execution provider that really ran.
        n_threads: intra-operator threads of a session.
        versions: package name -> version, of everything that could move the time.
        options: whatever else moves it: "cuda_graphs" on a GPU.
    """

    device: str
    device_name: str
    provider: str
    n_threads: int
    versions: Mapping[str, str]
    options: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times of one model (or a whole cascade) at one batch size, in milliseconds per batch.

    Args:
        name: the member's (or cascade's) name.
        sha256: of the model file that ran; "" where there is none.
        source: the SPEC that the model file was made of, "" where it is not known.
        batch_size: rows per call.
        samples_ms: the times that the figures come from, as measured; of more than 1,000, every
            second, third, ...
        p50_ms, p90_ms, p99_ms: percentiles of the samples. Where `clock` is "processor", p50_ms is
            what a call would take undisturbed, made of its processor time (see
            runtime/settling.py); samples and the other percentiles stay as they were on the wall.
        transfer_ms: what moving the batch to the device takes besides; 0 where nothing moves.
        sm_clock_mhz: the clock of a GPU's multiprocessors right after the calls, None elsewhere.
        energy_mj: millijoules of a GPU per sample, None elsewhere.
        clock: what p50_ms is made of.
    """

    name: str
    sha256: str = ""
    source: str = ""
    batch_size: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    samples_ms: tuple[float, ...] = ()
    transfer_ms: float = 0.0
    sm_clock_mhz: float | None = None
    energy_mj: float | None = None
    clock: TimeSource = "wall"

    def to_json(self) -> dict[str, Any]:
        """The timing as a JSON object; of a time by the wall's clock nothing is said."""
        content = asdict(self) | {"samples_ms": list(self.samples_ms)}
        if not self.is_disturbed:
            del content["clock"]
        return content

    @property
    def is_disturbed(self) -> bool:
        """Whether others kept the machine so busy that the wall times were of no use."""
        return self.clock == "processor"

    @property
    def stretch(self) -> float:
        """How many times p50_ms the samples took on the wall: above 1 on a busy machine."""
        return float(np.median(self.samples_ms)) / self.p50_ms if self.samples_ms else 1.0

    @classmethod
    def of(
        cls,
        name: str,
        batch_size: int,
        samples_ms: Sequence[float],
        *,
        sha256: str = "",
        source: str = "",
        clock: TimeSource = "wall",
        undisturbed_ms: float = 0.0,
    ) -> Timing:
        """The timing that raw samples [n] in milliseconds make.

        Args:
            name: see `Timing`.
            batch_size: likewise.
            samples_ms: [n], times on the wall.
            sha256: see `Timing`.
            source: likewise.
            clock: likewise.
            undisturbed_ms: what counts for the median where `clock` is "processor".
        """
        p50, p90, p99 = (float(p) for p in np.percentile(samples_ms, (50, 90, 99)))
        stride = -(-len(samples_ms) // MAX_SAMPLES)
        return cls(
            name=name, sha256=sha256, source=source, batch_size=batch_size, clock=clock,
            p50_ms=undisturbed_ms if clock == "processor" else p50, p90_ms=p90, p99_ms=p99,
            samples_ms=tuple(round(float(ms), NS_DIGITS) for ms in samples_ms[::stride]),
        )  # fmt: skip
