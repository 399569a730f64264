"""How a pool is tuned: the values that every step of the tuning takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import SearchError
from ...search.options import SearchOptions
from ..measure_latency import MeasureOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSettings:
    """How a pool is tuned.

    Args:
        batch_size: rows per batch that the latency is for.
        measuring: device, threads, and when a measurement counts.
        searching: the limits of each search; its objectives and batch size are set here.
        every_model: measure all models of the pool, not only those that matter.
        n_measured: cascades of the front by MACs that are measured, and their rivals.
        n_exported: bundles that are made at the end, at most.
        rounds: turns of measuring and correcting, at most.
        tolerance: the median relative error of the prediction at which it is good enough.

    Raises:
        SearchError: a number below 1.
    """

    batch_size: int
    measuring: MeasureOptions = field(default_factory=MeasureOptions)
    searching: SearchOptions = field(default_factory=SearchOptions)
    every_model: bool = False
    n_measured: int = 10
    n_exported: int = 3
    rounds: int = 4
    tolerance: float = 0.05

    def __post_init__(self) -> None:
        smallest = min(self.batch_size, self.n_measured, self.n_exported, self.rounds)
        if smallest < 1 or not self.tolerance > 0:
            raise SearchError(
                "batch size, cascades to measure and to export, and rounds must be at least 1, "
                "and the tolerance positive",
                where="tune",
            )
