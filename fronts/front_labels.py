"""What fronts and their costs are called in pictures, with units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..arrays import DoubleArray
from .scored_cascade import PoolReference, ScoredCascade


class PicturedFront(Protocol):
    """What a picture needs of a front; see `Front`."""

    @property
    def pool(self) -> PoolReference:
        """Where the scores come from."""
        ...

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names, "error" first."""
        ...

    @property
    def cascades(self) -> tuple[ScoredCascade, ...]:
        """Sorted by cost."""
        ...

    @property
    def search(self) -> Mapping[str, Any]:
        """How it was found."""
        ...

    @property
    def batch_size(self) -> int:
        """Of a latency objective."""
        ...

    @property
    def metric(self) -> str:
        """What the errors are."""
        ...

    @property
    def points(self) -> DoubleArray:
        """Error and cost of every cascade, float64 [n_cascades, 2]."""
        ...


def cost_label(front: PicturedFront) -> str:
    """What the cost of a front is, with its unit."""
    objective = front.objectives[1]
    if objective == "latency":
        return f"predicted ms per batch of {front.batch_size}"
    unit = "MACs" if objective == "macs" else objective.removeprefix("cost_")
    return f"expected {unit} per sample"


def quality_label(front: PicturedFront) -> str:
    """What is drawn upwards: the accuracy, or 1 - error of another metric."""
    return "accuracy" if front.metric == "top1" else f"1 - {front.metric} error"


def distinct_names(fronts: Sequence[PicturedFront]) -> list[str]:
    """A name for each front: its pool, and how it was found where that tells them apart."""
    names = [f"front on {front.pool.name}" for front in fronts]
    if len(set(names)) == len(names):
        return names
    texts: list[str] = []
    for name, front in zip(names, fronts, strict=True):
        search: Mapping[str, object] = front.search
        texts.append(f"{name}, {search.get('algorithm', '?')}, seed {search.get('seed', '?')}")
    return texts
