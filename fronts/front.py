"""A front: scored cascades that do not dominate each other, sorted by cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..arrays import DoubleArray
from ..cascade import Cascade
from ..errors import FrontError
from ..files import json_text, read_json, write_atomically
from ..schema import check
from .scored_cascade import PoolReference, ScoredCascade, cascade_json, cascades_of_json, points_of
from .selection import choose


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
        return points_of(self.cascades)

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
            FrontError: nothing fits; the nearest miss is named. Or nothing was asked for.
        """
        return self.cascades[
            self.index_of(
                min_accuracy=min_accuracy,
                max_cost=max_cost,
                max_latency_ms=max_latency_ms,
                knee=knee,
            )
        ].cascade

    def index_of(
        self,
        *,
        min_accuracy: float | None = None,
        max_cost: float | None = None,
        max_latency_ms: float | None = None,
        knee: bool = False,
    ) -> int:
        """Where the cascade stands that `select` gives.

        Raises:
            FrontError: as `select`.
        """
        return choose(
            self.cascades,
            objective=self.objectives[1],
            min_accuracy=min_accuracy,
            max_cost=max_cost,
            max_latency_ms=max_latency_ms,
            knee=knee,
        )

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
