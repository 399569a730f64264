"""From a cascade of a front to a bundle: where the search's values meet the export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..data.open_data import open_views
from ..entries import Expected
from ..errors import ExportError
from ..evaluate.class_metrics import TOP1
from ..export.bundle import export_bundle
from ..export.bundle_options import DEFAULT_OPTIONS, BundleDescription, BundleOptions
from ..export.member_views import Member, views_of
from ..fronts.front import Front
from ..intervals import wilson_interval
from ..manifest import Manifest
from ..pools.models.specs import source_model
from ..pools.pool import Pool
from ..progress import OnProgress, unheard
from .verify_bundle import evidence_of


def export_from_front(
    front: Front,
    index: int,
    pool: Pool,
    out: Path,
    *,
    data: str | None = None,
    options: BundleOptions = DEFAULT_OPTIONS,
    on_progress: OnProgress = unheard,
) -> Manifest:
    """Exports the cascade `index` of a front.

    Args:
        front: the front.
        index: which of its cascades.
        pool: has the cascade's members with their SPECs; its outputs are what the decisions are
            proven against.
        out: the bundle to be.
        data: the data that the pool was built on; without, only the members are proven.
        options: how the bundle is made.
        on_progress: hears of each member and proof.

    Raises:
        ExportError: the front has no such cascade, a member has no SPEC, or a proof failed.
    """
    if not 0 <= index < len(front.cascades):
        raise ExportError(f"the front has the cascades 0..{len(front.cascades) - 1}, got {index}")
    cascade = front.cascades[index].cascade
    members = members_of(pool, cascade.members)
    dataset = None
    if data is not None:
        dataset = open_views(data, views_of(members).preprocessings)
    description = BundleDescription(
        name=out.name,
        expected=_expected(front, index),
        classes=pool.classes or (dataset.classes if dataset else None),
        splits={"search": front.pool.n_samples},
        provenance={
            "pool": front.pool.name,
            "pool_sha256": front.pool.sha256,
            **{key: str(front.search[key]) for key in ("algorithm", "seed") if key in front.search},
        },
    )
    return export_bundle(
        out,
        cascade,
        members,
        evidence=evidence_of(pool, cascade.members, dataset) if dataset else None,
        description=description,
        options=options,
        on_progress=on_progress,
    )


def members_of(pool: Pool, names: Sequence[str]) -> list[Member]:
    """What there is to export of a pool's models.

    Raises:
        ExportError: names every model that has no SPEC.
    """
    models = [pool.models[pool.index(name)] for name in names]
    faults = [
        f"{model.name} has no source: import the pool with the array source [M], a SPEC for each"
        for model in models
        if not model.source
    ]
    if faults:
        raise ExportError(*faults, where=f"pool {pool.name}")
    return [
        Member(
            name=model.name,
            source=source_model(model.source, base=pool.path),
            macs=model.costs.get("macs"),
            params=model.costs.get("params"),
            temperature=model.temperature,
        )
        for model in models
    ]


def _expected(front: Front, index: int) -> tuple[Expected, ...]:
    scored = front.cascades[index]
    if front.metric != TOP1:
        return ()
    n_samples = front.pool.n_samples
    return (
        Expected(
            split="search",
            n_samples=n_samples,
            accuracy=scored.accuracy,
            interval=wilson_interval(round(scored.accuracy * n_samples), n_samples),
            cost=scored.cost,
            objective=front.objectives[1],
            reach=scored.reach,
            batch_size=front.batch_size,
        ),
    )
