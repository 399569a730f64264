"""Verifying a bundle, where a pool's stored outputs meet it; needs neither torch nor onnx."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..class_names import OnNote, unnoted
from ..data.open_data import open_bundle_data
from ..data.splits import limited_rows
from ..export.verify import Verdict, verify
from ..manifest import Manifest
from ..pools.pool import Pool, given_pool
from ..pools.pool_classes import in_classes_of
from ..progress import OnProgress, unheard
from ..runtime.placement import Placement
from .joined_data import joined_data


def verify_bundle(  # noqa: PLR0913 - one keyword for each option
    bundle: str | Path,
    *,
    data: str | Path,
    pool: Pool | str | Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    on_note: OnNote = unnoted,
    on_progress: OnProgress = unheard,
) -> Verdict:
    """Verifies a bundle: hashes, numbers, and every decision on data.

    Samples that the bundle was proven on must get the same label and leave at the same stage as
    then; on others the executor and the graph must decide as the members run one by one do.

    Args:
        bundle: the folder.
        data: the DATA to verify on, with labels; classes are matched with the bundle's by name.
        pool: compare with its stored outputs instead, on the samples that are in both. The pool
            (a part of one, too) or its folder.
        limit: verify on so many samples at most, a random part with the classes' shares.
        seed: of that part.
        device: where the bundle runs: "cpu", "cuda:0", ...
        on_note: hears how classes and samples were matched.
        on_progress: hears of each proof.

    Returns:
        What was found; `.require()` raises an error unless everything agrees.

    Raises:
        ManifestError: the bundle has faults, or a file is not the one hashed.
        DataError: there is no such data, or no sample of it is in the pool.
    """
    folder = Path(bundle)
    dataset = open_bundle_data(folder, str(data), on_note=on_note)
    placement = Placement(device=device)
    if pool is None:
        rows = limited_rows(dataset.label, limit, seed=seed)
        verdict = verify(folder, dataset.take(rows), placement=placement, on_progress=on_progress)
        return replace(verdict, n_available=dataset.n_samples)
    manifest = Manifest.load(folder)
    known = in_classes_of(given_pool(pool), manifest.class_names, on_note=on_note)
    joined = joined_data(dataset, known, on_note=on_note)
    part = joined.limited(limit, seed=seed)
    evidence = part.evidence(manifest.cascade.members)
    verdict = verify(
        folder, part.dataset, evidence=evidence, placement=placement, on_progress=on_progress
    )
    return replace(verdict, n_available=len(joined.rows))
