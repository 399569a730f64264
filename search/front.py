"""A front: scored cascades that do not dominate each other, sorted by cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import DoubleArray
from ..cascade import Cascade, Combine, Confidence
from ..errors import CascadeError, EncasError, FrontError
from ..files import json_text, read_json, write_atomically
from ..schema import check


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReference:
    """The pool that the scores of a front come from."""

    name: str
    sha256: str
    n_samples: int
    n_classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredCascade:
    """A cascade and what it does on the samples of one pool.

    Args:
        cascade: the cascade.
        error: share of wrong answers.
        cost: expected cost in the unit of the front's second objective (MACs per sample, or ms
            per batch).
        reach: share of samples that run each member.
        costs: further expected costs by name, for example "macs" beside a latency front.
    """

    cascade: Cascade
    error: float
    cost: float
    reach: tuple[float, ...]
    costs: Mapping[str, float] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """1 - error."""
        return 1 - self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """Scored cascades of one search.

    Args:
        pool: where the scores come from.
        objectives: names, "error" first, then the cost that `cost` stands for, then others.
        cascades: sorted by cost and mutually non-dominated on the pool that was searched; a
            front evaluated on another pool keeps its cascades and their order.
        search: how the front was found: algorithm, seed, evaluations, versions, ...
        batch_size: of a latency objective, otherwise 1.
        metric: what the errors are: "top1", or another of metrics.py.
    """

    pool: PoolReference
    objectives: tuple[str, ...]
    cascades: tuple[ScoredCascade, ...]
    search: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 1
    metric: str = "top1"

    @property
    def points(self) -> DoubleArray:
        """Error and cost of every cascade, float64 [n_cascades, 2]."""
        return np.array([(c.error, c.cost) for c in self.cascades], np.float64).reshape(-1, 2)

    def select(
        self,
        *,
        min_accuracy: float | None = None,
        max_cost: float | None = None,
        max_latency_ms: float | None = None,
        knee: bool = False,
    ) -> Cascade:
        """The one cascade that fits best; see `selection.choose` for the rule.

        Raises:
            FrontError: nothing fits; the nearest miss is named.
        """
        from .selection import choose  # noqa: PLC0415 - selection imports this module

        index = choose(
            self,
            min_accuracy=min_accuracy,
            max_cost=max_cost,
            max_latency_ms=max_latency_ms,
            knee=knee,
        )
        return self.cascades[index].cascade

    def to_json(self) -> dict[str, Any]:
        """The front as a JSON object of the format `encas.front`, version 1."""
        content: dict[str, Any] = {
            "format": "encas.front",
            "version": 1,
            "pool": {
                "name": self.pool.name,
                "sha256": self.pool.sha256,
                "n_samples": self.pool.n_samples,
                "n_classes": self.pool.n_classes,
            },
            "search": dict(self.search),
            "objectives": list(self.objectives),
            "cascades": [cascade_json(scored) for scored in self.cascades],
        }
        if "latency" in self.objectives:
            content["batch_size"] = self.batch_size
        if self.metric != "top1":
            content["metric"] = self.metric
        return content

    def save(self, path: str | Path) -> None:
        """Writes the front as JSON, atomically."""
        write_atomically(Path(path), json_text(self.to_json()))

    @classmethod
    def load(cls, path: str | Path) -> Front:
        """Reads a front.

        Raises:
            FrontError: the file is missing, foreign or has faults.
        """
        content: Any = read_json(Path(path), error=FrontError)
        check(content, "front", error=FrontError, where=str(path))
        return cls(
            pool=PoolReference(**{k: content["pool"][k] for k in PoolReference.__slots__}),
            objectives=tuple(content["objectives"]),
            cascades=cascades_of_json(content["cascades"], where=str(path)),
            search=content["search"],
            batch_size=int(content.get("batch_size", 1)),
            metric=content.get("metric", "top1"),
        )

    def with_cascades(self, cascades: Sequence[ScoredCascade]) -> Front:
        """This front with other cascades."""
        return replace(self, cascades=tuple(cascades))


def cascade_json(scored: ScoredCascade) -> dict[str, Any]:
    """A scored cascade as a JSON object."""
    cascade = scored.cascade
    content: dict[str, Any] = {
        "members": list(cascade.members),
        "thresholds": list(cascade.thresholds),
        "error": scored.error,
        "cost": scored.cost,
        "reach": list(scored.reach),
    }
    if scored.costs:
        content["costs"] = dict(scored.costs)
    if cascade.confidence != "max_probability":
        content["confidence"] = cascade.confidence
    if cascade.combine != "mean":
        content["combine"] = cascade.combine
    return content


def cascades_of_json(
    items: Sequence[Mapping[str, Any]], *, where: str, error: type[EncasError] = FrontError
) -> tuple[ScoredCascade, ...]:
    """The scored cascades of JSON objects that fit the schema of a front.

    Raises:
        EncasError: some make no sense; of the type `error`, with every fault.
    """
    cascades: list[ScoredCascade] = []
    faults: list[str] = []
    for index, item in enumerate(items):
        confidence: Confidence = item.get("confidence", "max_probability")
        combine: Combine = item.get("combine", "mean")
        try:
            cascade = Cascade(
                members=tuple(item["members"]),
                thresholds=tuple(item["thresholds"]),
                confidence=confidence,
                combine=combine,
            )
        except CascadeError as cause:
            faults += [f"cascade {index}: {fault}" for fault in cause.faults]
            continue
        if len(item["reach"]) != cascade.n_stages:
            faults.append(f"cascade {index}: {cascade.n_stages} members need as many reaches")
        cascades.append(
            ScoredCascade(
                cascade=cascade,
                error=float(item["error"]),
                cost=float(item["cost"]),
                reach=tuple(item["reach"]),
                costs=item.get("costs", {}),
            )
        )
    if faults:
        raise error(*faults[:20], where=where)
    return tuple(cascades)
