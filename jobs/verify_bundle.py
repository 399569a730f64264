"""Verifying a bundle, where a pool's stored outputs meet it; needs neither torch nor onnx."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..arrays import FloatArray, IntArray
from ..data.dataset import Dataset
from ..data.open_data import open_bundle_data
from ..export.proofs import Evidence, storage_margin
from ..export.verify import Verdict, verify
from ..manifest import Manifest
from ..pools.pool import Pool, given_pool
from ..progress import OnProgress, unheard


def verify_bundle(
    bundle: str | Path,
    *,
    data: str | Path,
    pool: Pool | str | Path | None = None,
    on_progress: OnProgress = unheard,
) -> Verdict:
    """Verifies a bundle: hashes, numbers, and every decision on data.

    Samples that the bundle was proven on must get the same label and leave at the same stage as
    then; on others the executor and the graph must decide as the members run one by one do.

    Args:
        bundle: the folder.
        data: the DATA to verify on, with labels.
        pool: compare with its stored outputs, too; it was built on `data`. The pool or its folder.
        on_progress: hears of each proof.

    Returns:
        What was found; `.require()` raises an error unless everything agrees.

    Raises:
        ManifestError: the bundle has faults, or a file is not the one hashed.
        DataError: there is no such data, or it is not what the pool was built on.
    """
    folder = Path(bundle)
    dataset = open_bundle_data(folder, str(data))
    evidence = None
    if pool is not None:
        members = Manifest.load(folder).cascade.members
        evidence = evidence_of(given_pool(pool), members, dataset)
    return verify(folder, dataset, evidence=evidence, on_progress=on_progress)


def evidence_of(pool: Pool, names: Sequence[str], dataset: Dataset) -> Evidence:
    """The stored outputs of a pool's models, as what a bundle must agree with.

    Raises:
        DataError: the data is not what the pool was built on.
    """
    places = [pool.index(name) for name in names]

    def outputs(j: int, rows: IntArray) -> FloatArray:
        return pool.probabilities(places[j], rows)

    return Evidence(
        dataset=dataset,
        label=pool.label,
        outputs=outputs,
        against=f"the outputs stored in pool {pool.name}",
        margin=max(
            storage_margin(str(pool.outputs[place].dtype), pool.models[place].kind)
            for place in places
        ),
    )
