"""What a user may ask of a search."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, get_args

from ..cascade import Confidence
from ..errors import SearchError
from ..evaluate.class_metrics import TOP1
from .algorithms import ALGORITHMS, AUTO, Mode
from .loop import Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How to search; see `finder.find_front` for the meaning.

    Raises:
        SearchError: names every fault of the values.
    """

    evaluations: int | None = None
    seconds: float | None = None
    stagnation: int | None = None
    max_members: int = 5
    seed: int = 0
    algorithm: str = AUTO
    objectives: tuple[str, ...] = ("macs",)
    batch_size: int = 1
    metric: str = TOP1
    confidence: Confidence = "max_probability"
    mode: Mode = "cascade"
    reference: tuple[float, ...] | None = None
    device: str = "cpu"
    n_threads: int | None = None

    def __post_init__(self) -> None:
        faults: list[str] = []
        if self.algorithm not in (AUTO, *ALGORITHMS):
            known = ", ".join((AUTO, *sorted(ALGORITHMS)))
            faults.append(f"algorithm must be one of {known}, got {self.algorithm!r}")
        elif self.algorithm != AUTO and self.mode not in ALGORITHMS[self.algorithm].modes:
            allowed = " or ".join(ALGORITHMS[self.algorithm].modes)
            faults.append(f"{self.algorithm} has the mode {allowed}, got {self.mode!r}")
        faults += _reference_faults(self.reference, len(self.objectives))
        if not 1 <= self.max_members <= 16:
            faults.append(f"max members must be in 1..16, got {self.max_members}")
        if self.confidence not in get_args(Confidence):
            allowed = ", ".join(get_args(Confidence))
            faults.append(f"confidence must be one of {allowed}, got {self.confidence!r}")
        if self.batch_size < 1:
            faults.append(f"batch size must be at least 1, got {self.batch_size}")
        if self.n_threads is not None and self.n_threads < 1:
            faults.append(f"threads must be at least 1, got {self.n_threads}")
        if self.seed < 0:
            faults.append(f"seed must not be negative, got {self.seed}")
        if not self.objectives or len(set(self.objectives)) < len(self.objectives):
            faults.append(f"objectives must be different costs, got {self.objectives}")
        if faults:
            raise SearchError(*faults, where="search")

    @property
    def is_open(self) -> bool:
        """Whether no limit was given."""
        return self.evaluations is None and self.seconds is None and self.stagnation is None

    @property
    def budget(self) -> Budget:
        """The budget; where no limit was given, the algorithm's own."""
        if self.is_open and self.algorithm != AUTO:
            algorithm = ALGORITHMS[self.algorithm]
            return Budget(evaluations=algorithm.default_evaluations, settles=algorithm.settles)
        return Budget(
            evaluations=self.evaluations, seconds=self.seconds, stagnation=self.stagnation
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What a front says of its options, as a JSON object."""
        return {
            "algorithm": self.algorithm,
            "seed": self.seed,
            "max_members": self.max_members,
            "mode": self.mode,
            "objective": self.objectives[0],
            "confidence": self.confidence,
            "budget": asdict(self.budget),
        }


def _reference_faults(reference: tuple[float, ...] | None, n_costs: int) -> list[str]:
    if reference is None:
        return []
    if len(reference) != 1 + n_costs or min(reference) <= 0:
        values = ", ".join(f"{value:g}" for value in reference)
        return [f"reference must be an error and {n_costs} costs above 0, got {values}"]
    return []
