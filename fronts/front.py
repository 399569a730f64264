"""A front: scored cascades that do not dominate each other, sorted by cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import DoubleArray
from ..cascade import Cascade
from ..errors import FrontError
from ..files import json_text, read_json, write_atomically
from ..html_table import html_table
from ..schema import check
from .front_answers import FrontAnswers
from .scored_cascade import (
    PoolReference,
    ScoredCascade,
    cascade_json,
    cascades_of_json,
    points_of,
    pool_reference_of_json,
)
from .selection import choose, cost_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of the table that a notebook shows.
SHOWN_CASCADES = 20


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
        metric: what the errors are: "top1", or another of class_metrics.py.
        answers: the best single model beside the cascades; None where nobody looked.
    """

    pool: PoolReference
    objectives: tuple[str, ...]
    cascades: tuple[ScoredCascade, ...]
    search: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 1
    metric: str = "top1"
    answers: FrontAnswers | None = None

    def __repr__(self) -> str:
        n = len(self.cascades)
        text = f"Front({self.pool.name!r}, {n} cascade{'' if n == 1 else 's'}"
        if n:
            error, cost = self.points.T
            text += f", error {error.min():.3f} .. {error.max():.3f}"
            text += f", {self.objectives[1]} {_short(cost.min())} .. {_short(cost.max())}"
        return text + ")"

    def _repr_html_(self) -> str:
        n = len(self.cascades)
        shown = np.unique(np.linspace(0, n - 1, min(n, SHOWN_CASCADES)).round().astype(int))
        rows = [
            (
                str(index),
                f"{self.cascades[index].accuracy:.4f}",
                cost_text(self.cascades[index].cost, self.objectives[1]),
                str(self.cascades[index].cascade),
            )
            for index in shown
        ]
        columns = ("index", "accuracy", "cost", "members (thresholds)")
        table = "".join(html_table(columns, rows, text_columns=(3,)))
        more = f"<p>{len(rows)} of {n} are shown</p>" if len(rows) < n else ""
        return f"<p>{escape(repr(self))}</p>{table}{more}"

    def __len__(self) -> int:
        """The number of cascades."""
        return len(self.cascades)

    def __iter__(self) -> Iterator[ScoredCascade]:
        """The scored cascades, the cheapest first."""
        return iter(self.cascades)

    def __getitem__(self, index: int) -> ScoredCascade:
        """The scored cascade at a position, as `index_of` gives it."""
        return self.cascades[index]

    def __bool__(self) -> bool:
        """A front is true, even where it has no cascades."""
        return True

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
            FrontError: nothing fits; the nearest miss is named. Or nothing was asked for: give
                at least one of the four.
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

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draws the front and returns the matplotlib Axes.

        `plot_front` draws several, and the single models of a pool beside them.

        Raises:
            FrontError: the front has no cascades.
            MissingExtraError: matplotlib is not installed.
        """
        from .front_drawing import draw_fronts  # noqa: PLC0415 - matplotlib is optional

        return draw_fronts([self], ax=ax)

    def to_json(self) -> dict[str, Any]:
        """The front as a JSON object of the format `encas.front`, version 1."""
        content: dict[str, Any] = {
            "format": "encas.front",
            "version": 1,
            "pool": self.pool.to_json(),
            "search": dict(self.search),
            "objectives": list(self.objectives),
            "cascades": [cascade_json(scored) for scored in self.cascades],
        }
        if "latency" in self.objectives:
            content["batch_size"] = self.batch_size
        if self.metric != "top1":
            content["metric"] = self.metric
        if self.answers is not None:
            content["answers"] = self.answers.to_json()
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
        pool = pool_reference_of_json(content["pool"])
        cascades = cascades_of_json(content["cascades"], where=str(path))
        answers, cost = content.get("answers"), content["objectives"][1]
        if answers is not None:
            answers = FrontAnswers.of_json(
                answers, pool=pool, objective=cost, cascades=cascades, where=str(path)
            )
        return cls(
            pool=pool,
            objectives=tuple(content["objectives"]),
            cascades=cascades,
            search=content["search"],
            batch_size=int(content.get("batch_size", 1)),
            metric=content.get("metric", "top1"),
            answers=answers,
        )

    def with_cascades(self, cascades: Sequence[ScoredCascade]) -> Front:
        """This front with other cascades, of which there are no answers."""
        return replace(self, cascades=tuple(cascades), answers=None)


def given_front(front: Front | str | Path) -> Front:
    """A front as a user names it: the value itself, or its file.

    Raises:
        FrontError: it is neither, or the file has faults.
    """
    if isinstance(front, Front):
        return front
    if isinstance(front, (str, Path)):  # pyright: ignore[reportUnnecessaryIsInstance]
        return Front.load(front)
    raise FrontError(f"expected a Front or the path of one, got {type(front).__name__}")


def _short(value: float) -> str:
    """A number in a few characters: 0.35, 12.4, 2.9e8."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}e{int(exponent)}"
