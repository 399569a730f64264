"""Cascades with their scores on one pool: what a front consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import DoubleArray
from ..cascade import Cascade, Combine, Confidence
from ..class_names import ClassNames
from ..errors import CascadeError, EncasError, FrontError


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReference:
    """The pool that the scores of a front come from.

    Args:
        name, sha256, n_samples, n_classes: of the pool.
        classes: class names by label, or None.
    """

    name: str
    sha256: str
    n_samples: int
    n_classes: int
    classes: tuple[str, ...] | None = None

    @property
    def class_names(self) -> ClassNames:
        """The classes, as they meet others."""
        owner = f"the front's pool {self.name}"
        return ClassNames(owner=owner, n_classes=self.n_classes, names=self.classes)

    def to_json(self) -> dict[str, Any]:
        """The reference as a JSON object."""
        content: dict[str, Any] = {
            "name": self.name,
            "sha256": self.sha256,
            "n_samples": self.n_samples,
            "n_classes": self.n_classes,
        }
        return content | ({"classes": list(self.classes)} if self.classes else {})


def pool_reference_of_json(content: Mapping[str, Any]) -> PoolReference:
    """The reference of a JSON object that fits the schema of a front."""
    names = content.get("classes")
    return PoolReference(
        name=content["name"],
        sha256=content["sha256"],
        n_samples=content["n_samples"],
        n_classes=content["n_classes"],
        classes=tuple(names) if names else None,
    )


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


def points_of(cascades: Sequence[ScoredCascade]) -> DoubleArray:
    """Error and cost of every cascade, float64 [n_cascades, 2]."""
    return np.array([(c.error, c.cost) for c in cascades], np.float64).reshape(-1, 2)


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
