"""Figures: fronts, models and chosen cascades become charts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..cascade import Cascade
from ..errors import FrontError
from ..evaluate.objectives import Error, Objective, cost_objective, error_objective
from ..fronts.front import Front
from ..fronts.front_labels import cost_label, distinct_names, quality_label
from ..fronts.scored_cascade import ScoredCascade
from ..fronts.scoring import score
from ..latency import LatencyProfile
from ..pools.pool import Pool
from .axis import percent, plain_number
from .comparison import Contender
from .svg import FRONT_LOOKS, Chart, Look, Point, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart, its heading, and what one should see in it."""

    heading: str
    caption: str
    chart: Chart


def figures_of(
    fronts: Sequence[Front],
    pools: Sequence[Pool],
    profile: LatencyProfile | None,
    *,
    baseline: Contender | None,
    chosen: Sequence[Contender],
) -> tuple[Figure, ...]:
    """One figure for each objective (and batch size, and metric) of the fronts.

    Raises:
        FrontError: more than four fronts share an objective.
        PoolError: the pool lacks a member of a contender.
    """
    groups: dict[tuple[str, int, str], list[Front]] = {}
    for front in fronts:
        key = (front.objectives[1], front.batch_size, front.metric)
        groups.setdefault(key, []).append(front)
    marked = _Marked(baseline=baseline, chosen=tuple(chosen))
    return tuple(_figure(group, pools, profile, marked) for group in groups.values())


def cascade_text(members: Sequence[str], thresholds: Sequence[float]) -> str:
    """Members in order, each with the threshold above which a sample leaves."""
    gates = [f" ({threshold:g})" for threshold in thresholds]
    pairs = itertools.zip_longest(members, gates, fillvalue="")
    return " → ".join(member + gate for member, gate in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Marked:
    baseline: Contender | None
    chosen: tuple[Contender, ...]

    def looks(self) -> Iterator[tuple[Contender, Look]]:
        if self.baseline:
            yield self.baseline, "baseline"
        for one in self.chosen:
            yield one, "chosen"


def _figure(
    fronts: Sequence[Front],
    pools: Sequence[Pool],
    profile: LatencyProfile | None,
    marked: _Marked,
) -> Figure:
    if len(fronts) > len(FRONT_LOOKS):
        raise FrontError(
            f"a chart holds at most {len(FRONT_LOOKS)} fronts of one objective, got {len(fronts)}"
        )
    label = cost_label(fronts[0])
    names = distinct_names(fronts)
    series = [
        Series(name=name, look=look, points=tuple(_point(c, label) for c in front.cascades))
        for name, look, front in zip(names, FRONT_LOOKS, fronts, strict=False)
    ]
    caption = "Each step is a cascade; up is more accurate, left is cheaper."
    pool = _pool_of(fronts[-1], pools)
    if pool and (fronts[0].objectives[1] != "latency" or profile):
        scorer = _Scorer.of(fronts[0], pool, profile)
        series = [scorer.members(label), *series, *scorer.marks(marked, label)]
        caption += f" Circles are the single models on {pool.name}, marks are measured there, too."
    quality = quality_label(fronts[0])
    title = f"{quality.capitalize()} against {label}"
    sizes = [front.pool.n_samples for front in fronts]
    chart = Chart(
        title=title,
        quality_label=quality,
        cost_label=label,
        series=tuple(series),
        least_error=0.5 / max(sizes),
    )
    return Figure(heading=title, caption=caption, chart=chart)


def _pool_of(front: Front, pools: Sequence[Pool]) -> Pool | None:
    same = [pool for pool in pools if pool.sha256 == front.pool.sha256]
    return (same or list(pools[-1:]) or [None])[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scorer:
    """Scores cascades on one pool as a front does."""

    pool: Pool
    error: Error
    cost: Objective

    @classmethod
    def of(cls, front: Front, pool: Pool, profile: LatencyProfile | None) -> _Scorer:
        cost = cost_objective(
            front.objectives[1], pool, profile=profile, batch_size=front.batch_size
        )
        return cls(pool=pool, error=error_objective(front.metric, pool), cost=cost)

    def points(self, cascades: Sequence[Cascade], label: str) -> tuple[Point, ...]:
        scored = score(cascades, self.pool, self.error, [self.cost])
        return tuple(_point(one, label) for one in scored)

    def members(self, label: str) -> Series:
        alone = [Cascade(members=(name,), thresholds=()) for name in self.pool.names]
        return Series(name="single models", look="members", points=self.points(alone, label))

    def marks(self, marked: _Marked, label: str) -> list[Series]:
        return [
            Series(name=one.name, look=look, points=self.points([one.cascade], label))
            for one, look in marked.looks()
        ]


def _point(scored: ScoredCascade, label: str) -> Point:
    cascade = scored.cascade
    text = (
        f"{cascade_text(cascade.members, cascade.thresholds)}\n"
        f"accuracy {percent(scored.accuracy)}, {plain_number(scored.cost)} {label}"
    )
    if cascade.n_stages > 1:
        text += "\nrun by " + ", ".join(percent(share) for share in scored.reach)
    return Point(cost=scored.cost, error=scored.error, text=text)
