"""Models of a pool, or of SPECs, exported one after the other to be measured."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path

from ..data.open_data import open_data
from ..entries import INPUT
from ..export.member_views import Member, Views, input_dtypes, input_shapes, views_of
from ..export.onnx_export import Exporter, export_member, stated_input_shape
from ..export.onnx_model import save_model
from ..files import sha256_of
from ..pools.models.specs import source_model
from ..pools.pool import Pool
from ..runtime.ort_session import OrtSession
from ..runtime.placement import Placement
from ..runtime.profiler import Target
from .export_front import members_of


class ExportedModels:
    """Models as what will be deployed: exported, and opened where they shall run.

    Args:
        members: the models.
        folder: where exported models are written; one that lies there is not exported again.
        placement: where the sessions run.
        exporter: for torch models.
        data: tells the shape of a sample where neither SPEC nor preprocessing does.
    """

    def __init__(
        self,
        members: Sequence[Member],
        folder: Path,
        placement: Placement,
        *,
        exporter: Exporter,
        data: str | None = None,
    ) -> None:
        self._members = {member.name: member for member in members}
        self._views = views_of(list(self._members.values()))
        self._folder, self._placement = folder, placement
        self._exporter: Exporter = exporter
        self._data = data
        self._n_classes: dict[Path, tuple[tuple[int, ...], int]] = {}

    @property
    def views(self) -> Views:
        """The inputs that the models need, and which of them each model reads."""
        return self._views

    @cached_property
    def dtypes(self) -> Mapping[str, str]:
        """The type of the samples of each input, by name."""
        return input_dtypes(list(self._members.values()), self._views)

    @property
    def members(self) -> Mapping[str, Member]:
        """What there is to export, by name."""
        return self._members

    def targets(self, *, keep_files: bool = True) -> list[Target]:
        """What to measure; a model is exported when its session is opened.

        Args:
            keep_files: whether an exported model stays on the disk once its session is open.
        """
        return [
            Target(
                name=name,
                open=partial(self.open, name, keep_file=keep_files),
                source=member.source.spec,
            )
            for name, member in self._members.items()
        ]

    def open(self, name: str, *, keep_file: bool = True) -> OrtSession:
        """The session of a model.

        Raises:
            ExportError: it cannot be exported.
            SessionError: it cannot run there.
        """
        place = list(self._members).index(name)
        path = self._folder / f"{place}.onnx"
        if path not in self._n_classes:
            self._n_classes[path] = self._export(self._members[name], path)
        shape, n_classes = self._n_classes[path]
        session = OrtSession(
            path,
            name=name,
            input_shape=shape,
            n_classes=n_classes,
            placement=self._placement,
            sha256=sha256_of(path),
            reads=self._views.reads[place],
        )
        if not keep_file:
            del self._n_classes[path]
            for old in self._folder.glob(f"{path.name}*"):
                old.unlink()
        return session

    def _export(self, member: Member, path: Path) -> tuple[tuple[int, ...], int]:
        """Writes the exported model; gives the shape of a sample and the number of classes."""
        views = views_of([member])
        dataset = None
        is_told = stated_input_shape(member.source) is not None
        if self._data is not None and None in views.preprocessings.values() and not is_told:
            # Data that are needed for nothing else may be on another machine.
            dataset = open_data(self._data)
        shape = input_shapes([member], views, dataset)[INPUT]
        place = list(self._members).index(member.name)
        exported = export_member(
            member.source,
            input_shape=shape,
            input_dtype=self.dtypes[self._views.reads[place]],
            temperature=member.temperature,
            exporter=self._exporter,
        )
        save_model(exported.model, path)
        return shape, exported.n_classes


class PoolModels(ExportedModels):
    """The models of a pool.

    Args:
        pool: the pool.
        folder: see `ExportedModels`.
        placement: likewise.
        exporter: likewise.
        data: likewise; by default what the pool was built on.

    Raises:
        ExportError: a model has no SPEC.
    """

    def __init__(
        self,
        pool: Pool,
        folder: Path,
        placement: Placement,
        *,
        exporter: Exporter,
        data: str | None = None,
    ) -> None:
        members = members_of(pool, pool.names)
        data = data or pool.data or None
        super().__init__(members, folder, placement, exporter=exporter, data=data)


@contextmanager
def spec_targets(
    specs: Mapping[str, str],
    placement: Placement,
    *,
    exporter: Exporter,
    keep_files: bool = False,
) -> Generator[list[Target]]:
    """What to measure of models that are given by name and SPEC; see `ExportedModels`.

    Args:
        specs: of the models, by name.
        placement: where they run.
        exporter: of torch modules.
        keep_files: whether each is exported only once, however often it is opened.
    """
    members = [Member(name=name, source=source_model(spec)) for name, spec in specs.items()]
    with tempfile.TemporaryDirectory(prefix="encas-") as folder:
        models = ExportedModels(members, Path(folder), placement, exporter=exporter)
        yield models.targets(keep_files=keep_files)


@contextmanager
def pool_targets(
    pool: Pool, placement: Placement, *, exporter: Exporter, data: str | None = None
) -> Generator[list[Target]]:
    """What to measure of a pool; see `PoolModels`."""
    with tempfile.TemporaryDirectory(prefix="encas-") as folder:
        models = PoolModels(pool, Path(folder), placement, exporter=exporter, data=data)
        yield models.targets(keep_files=False)
