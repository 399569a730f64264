"""What a report says, as values: built from fronts, pools, bundles and a latency profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ManifestError, PoolError
from ..fronts.front import Front
from ..latency import LatencyProfile, Setting
from ..manifest import Manifest
from ..pools.pool import Pool
from .comparison import (
    Contender,
    best_single_model,
    comparison_rows,
    contender,
    measured_cascade,
    measured_model,
)
from .comparison_verdict import verdict
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

    @property
    def table(self) -> tuple[tuple[str, ...], ...]:
        """The comparison: a header, then its rows; empty without a baseline or a cascade."""
        if self.baseline is None or not self.chosen:
            return ()
        contenders = (self.baseline, *self.chosen)
        return ("", *(one.name for one in contenders)), *comparison_rows(contenders)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What the comparison says of each chosen cascade."""
        return tuple(verdict(self.baseline, one) for one in self.chosen if self.baseline)


def report_of(
    fronts: Sequence[Front],
    *,
    pools: Sequence[Pool] = (),
    bundles: Sequence[Manifest] = (),
    single: Manifest | None = None,
    profile: LatencyProfile | None = None,
) -> Report:
    """Builds a report.

    Args:
        fronts: as searched, or evaluated on other pools.
        pools: the first one decides which single model is the best one; the last one is what
            costs and predictions are reported on.
        bundles: the chosen cascades, with what was measured of them.
        single: a bundle of the best single model, which was measured as the cascades were;
            without it, its times are made of the profile's.
        profile: measured times of the single models.

    Raises:
        FrontError: too many fronts of one objective.
        PoolError: a pool lacks a member of a bundle, or the pools hold different models.
        ManifestError: `single` is not the best single model.
    """
    for pool in pools[1:]:
        if pool.names != pools[0].names:
            raise PoolError(f"expected the models of {pools[0].name}, got others", where=pool.name)
    chosen = tuple(
        contender(name, manifest.cascade, pools, latencies=measured_cascade(manifest.latencies))
        for name, manifest in zip(_names(bundles), bundles, strict=True)
    )
    baseline = _baseline(pools, profile, single)
    contenders = (baseline, *chosen) if baseline else chosen
    settings = [latency.setting for one in contenders for latency in one.latencies]
    return Report(
        baseline=baseline,
        chosen=chosen,
        figures=figures_of(fronts, pools, profile, baseline=baseline, chosen=chosen),
        fronts=tuple(fronts),
        setting=settings[-1] if settings else None,
    )


def _baseline(
    pools: Sequence[Pool], profile: LatencyProfile | None, single: Manifest | None
) -> Contender | None:
    if not pools:
        return None
    best = best_single_model(pools[0])
    if single is not None:
        if single.cascade.members != best.members:
            raise ManifestError(
                f"expected the best single model {best}, got {single.cascade}", where=single.name
            )
        times = measured_cascade(single.latencies)
    else:
        times = measured_model(profile, best.members[0]) if profile else ()
    return contender(BASELINE, best, pools, latencies=times)


def _names(bundles: Sequence[Manifest]) -> list[str]:
    """What people call the cascades: what they were chosen by, where that tells them apart."""
    names = [_name(manifest) for manifest in bundles]
    if len(set(names)) == len(names):
        return names
    return [f"cascade {manifest.name}" for manifest in bundles]


def _name(manifest: Manifest) -> str:
    if not manifest.expected:
        return f"cascade {manifest.name}"
    objective = manifest.expected[0].objective
    kind = "cascade" if manifest.cascade.n_stages > 1 else "single model"
    return f"{kind} by {'MACs' if objective == 'macs' else objective}"
