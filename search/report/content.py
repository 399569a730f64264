"""What a report says, as values: built from fronts, pools, bundles and a latency profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import PoolError
from ...latency import LatencyProfile, Setting
from ...manifest import Manifest
from ..front import Front
from ..pool import Pool
from .comparison import (
    Contender,
    best_single_model,
    contender,
    measured_cascade,
    measured_model,
)
from .figure import Figure, figures_of

BASELINE = "best single model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a page shows.

    Args:
        baseline: the best single model, where a pool was given.
        chosen: the bundles' cascades.
        figures: one for each objective.
        fronts: as given.
        setting: where the times were measured.
    """

    baseline: Contender | None
    chosen: tuple[Contender, ...]
    figures: tuple[Figure, ...]
    fronts: tuple[Front, ...]
    setting: Setting | None


def report_of(
    fronts: Sequence[Front],
    *,
    pools: Sequence[Pool] = (),
    bundles: Sequence[Manifest] = (),
    profile: LatencyProfile | None = None,
) -> Report:
    """Builds a report.

    Args:
        fronts: as searched, or evaluated on other pools.
        pools: the first one decides which single model is the best one; the last one is what
            costs and predictions are reported on.
        bundles: the chosen cascades, with what was measured of them.
        profile: measured times of the single models.

    Raises:
        FrontError: too many fronts of one objective.
        PoolError: a pool lacks a member of a bundle, or the pools hold different models.
    """
    for pool in pools[1:]:
        if pool.names != pools[0].names:
            raise PoolError(f"expected the models of {pools[0].name}, got others", where=pool.name)
    chosen = tuple(
        contender(
            manifest.name, manifest.cascade, pools, latencies=measured_cascade(manifest.latencies)
        )
        for manifest in bundles
    )
    baseline = _baseline(pools, profile)
    contenders = (baseline, *chosen) if baseline else chosen
    settings = [latency.setting for one in contenders for latency in one.latencies]
    return Report(
        baseline=baseline,
        chosen=chosen,
        figures=figures_of(fronts, pools, contenders, profile),
        fronts=tuple(fronts),
        setting=settings[-1] if settings else None,
    )


def _baseline(pools: Sequence[Pool], profile: LatencyProfile | None) -> Contender | None:
    if not pools:
        return None
    single = best_single_model(pools[0])
    times = measured_model(profile, single.members[0]) if profile else ()
    return contender(BASELINE, single, pools, latencies=times)
