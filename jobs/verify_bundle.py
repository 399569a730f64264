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
from ..pools.pool import Pool


def verify_bundle(bundle: Path, data: str, *, pool: Pool | None = None) -> Verdict:
    """Verifies a bundle on data, and against a pool's stored outputs where one is given."""
    dataset = open_bundle_data(bundle, data)
    evidence = None
    if pool is not None:
        evidence = evidence_of(pool, Manifest.load(bundle).cascade.members, dataset)
    return verify(bundle, dataset, evidence=evidence)


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
