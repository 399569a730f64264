"""The models of a pool, exported one after the other to be measured."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ..export.agreement import Member, input_shapes, views_of
from ..export.onnx_export import Exporter, export_member
from ..export.onnx_model import save_model
from ..files import sha256_of
from ..manifest import INPUT
from ..runtime.dataset import open_data
from ..runtime.ort_member import OrtSession
from ..runtime.placement import Placement
from ..runtime.profiler import Target
from ..search.pool import Pool
from ..search.sources.data import DATA_KINDS
from .export_job import members_of


@contextmanager
def pool_targets(
    path: Path, placement: Placement, *, exporter: Exporter, data: str | None = None
) -> Generator[list[Target]]:
    """What to measure of a pool; a model is exported when its session is opened.

    Args:
        path: the pool.
        placement: where the sessions run.
        exporter: for torch models.
        data: tells the shape of a sample where neither SPEC nor preprocessing does; by default
            what the pool was built on.
    """
    pool = Pool.load(path)
    data = data or pool.data or None
    with tempfile.TemporaryDirectory(prefix="encas-") as folder:
        yield [
            Target(
                name=member.name,
                open=partial(_open_exported, member, Path(folder), placement, exporter, data),
                source=member.source.spec,
            )
            for member in members_of(pool, pool.names)
        ]


def _open_exported(
    member: Member, folder: Path, placement: Placement, exporter: Exporter, data: str | None
) -> OrtSession:
    """What will be deployed is what is measured: the exported member."""
    views = views_of([member])
    dataset = None
    if data is not None and None in views.preprocessings.values():
        dataset = open_data(data, kinds=DATA_KINDS)
    shape = input_shapes([member], views, dataset)[INPUT]
    exported = export_member(
        member.source,
        input_shape=shape,
        temperature=member.temperature,
        exporter=exporter,
    )
    path = folder / "member.onnx"
    for old in folder.iterdir():
        old.unlink()
    save_model(exported.model, path)
    return OrtSession(
        path,
        name=member.name,
        input_shape=shape,
        n_classes=exported.n_classes,
        placement=placement,
        sha256=sha256_of(path),
    )
