"""From a cascade of a front to a bundle: where the search's values meet the export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..class_names import OnNote, unnoted
from ..data.open_data import open_views
from ..entries import Expected
from ..errors import ExportError, FrontError
from ..evaluate.class_metrics import TOP1
from ..fronts.front import Front, given_front
from ..intervals import wilson_interval
from ..manifest import Manifest
from ..pools.models.specs import source_model
from ..pools.pool import Pool, given_pool
from ..pools.pool_classes import in_classes_of
from ..progress import OnProgress, unheard
from ..runtime.placement import Placement
from .joined_data import JoinedData, joined_data

if TYPE_CHECKING:
    from ..export.graph import WeightPlace
    from ..export.member_views import Member
    from ..export.onnx_export import Exporter


def export_bundle(  # noqa: PLR0913 - what is exported, and how
    front: Front | str | Path,
    pool: Pool | str | Path,
    *,
    out: str | Path,
    index: int | None = None,
    min_accuracy: float | None = None,
    max_cost: float | None = None,
    max_latency_ms: float | None = None,
    knee: bool = False,
    data: str | Path | None = None,
    exporter: Exporter = "dynamo",
    graph: WeightPlace | None = "branches",
    limit: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    overwrite: bool = False,
    on_note: OnNote = unnoted,
    on_progress: OnProgress = unheard,
) -> Manifest:
    """Exports one cascade of a front as a bundle; it is there proven, or not at all.

    Args:
        front: the front, or its file.
        pool: has the cascade's members with their SPECs, or its folder; its outputs are what the
            decisions are proven against.
        out: the bundle to be, a folder.
        index: which cascade; or, instead, what `Front.select` takes:
        min_accuracy: the cheapest cascade that is so accurate.
        max_cost: the most accurate cascade that costs no more.
        max_latency_ms: the same, by predicted ms per batch.
        knee: the best compromise of what fits.
        data: the DATA that the pool, or one that it is a part of, was built on; without, only the
            members are proven.
        exporter: of torch modules: "dynamo", or "legacy", which is faster on tiny ones.
        graph: where cascade.onnx has the weights: in its "branches" (faster on a CPU), or at the
            "top" (less memory); None for no such graph.
        limit: prove on so many samples at most, a random part with the classes' shares.
        seed: of that part.
        device: where members and cascade run for their proofs: "cpu", "cuda:0", ...
        overwrite: replace the bundle if it exists.
        on_note: hears how classes and samples were matched.
        on_progress: hears of each member and proof.

    Raises:
        FrontError: no cascade fits, or none was asked for.
        ExportError: the front has no such cascade, a member has no SPEC, or a proof failed.
        MissingExtraError: what the export needs is not installed.
    """
    from ..export.bundle import write_bundle  # noqa: PLC0415 - needs onnx
    from ..export.bundle_options import BundleDescription, BundleOptions  # noqa: PLC0415 - likewise
    from ..export.member_views import views_of  # noqa: PLC0415 - likewise

    front, pool, folder = given_front(front), given_pool(pool), Path(out)
    if pool.sha256 != front.pool.sha256:
        pool = in_classes_of(pool, front.pool.class_names, on_note=on_note)
    limits = {"min_accuracy": min_accuracy, "max_cost": max_cost, "max_latency_ms": max_latency_ms}
    place = _place(front, index, knee=knee, **limits)
    cascade = front.cascades[place].cascade
    members = members_of(pool, cascade.members)
    evidence, provenance = None, _provenance(front)
    if data is not None:
        dataset = open_views(str(data), views_of(members).preprocessings)
        joined = joined_data(dataset, pool, on_note=on_note)
        part = joined.limited(limit, seed=seed)
        evidence = part.evidence(cascade.members)
        provenance |= _proven_on(part, joined, seed)
        pool = replace(pool, classes=pool.classes or dataset.classes)
    return write_bundle(
        folder,
        cascade,
        members,
        evidence=evidence,
        description=BundleDescription(
            name=folder.name,
            expected=_expected(front, place),
            classes=pool.classes,
            splits={"search": front.pool.n_samples},
            provenance=provenance,
        ),
        options=BundleOptions(
            exporter=exporter,
            graph=graph,
            overwrite=overwrite,
            placement=Placement(device=device),
        ),
        on_progress=on_progress,
    )


def members_of(pool: Pool, names: Sequence[str]) -> list[Member]:
    """What there is to export of a pool's models.

    Raises:
        ExportError: names every model that has no SPEC.
    """
    from ..export.member_views import Member  # noqa: PLC0415 - needs onnx

    models = [pool[name] for name in names]
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


def _place(front: Front, index: int | None, *, knee: bool, **limits: float | None) -> int:
    is_limited = knee or any(limit is not None for limit in limits.values())
    if index is None and not is_limited:
        raise FrontError(
            "say which cascade: give index=, min_accuracy=, max_cost= or max_latency_ms=, or "
            "knee=True for the best compromise"
        )
    if index is None:
        return front.index_of(knee=knee, **limits)
    if is_limited:
        raise FrontError("give the index of a cascade, or limits to choose one by, not both")
    if not 0 <= index < len(front.cascades):
        raise ExportError(f"the front has the cascades 0..{len(front.cascades) - 1}, got {index}")
    return index


def _provenance(front: Front) -> dict[str, str]:
    searched = {key: str(front.search[key]) for key in ("algorithm", "seed") if key in front.search}
    return {"pool": front.pool.name, "pool_sha256": front.pool.sha256, **searched}


def _proven_on(part: JoinedData, joined: JoinedData, seed: int) -> dict[str, str]:
    n, n_joined = len(part.rows), len(joined.rows)
    if n == n_joined:
        return {}
    return {"proven_on": f"{n} of {n_joined} samples, a stratified random part (seed {seed})"}


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
