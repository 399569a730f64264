"""The folder of a pool that is being built."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...arrays import ByteArray
from ...data.data_source import DataSource
from ...errors import PoolError
from ...files import json_text, read_json, unfinished_files, write_atomically
from ...sample_identity import union
from ..model import Model
from ..models.model_requests import ModelRequest
from ..models.specs import parse_spec, rebased_spec, source_model, with_option
from ..pool import Pool
from ..pool_faults import pool_faults
from ..pool_io import OUTPUTS, POOL_FILE, StoredModel, stored_models
from ..pool_writing import About, store_outputs, write_index
from .build_job import BuildAnswer
from .build_options import BuildOptions
from .build_state import BuildState


@dataclass(slots=True, kw_only=True, eq=False)
class PoolStore:
    """Takes outputs as they come; after each, the folder is a valid pool of those so far.

    Args:
        folder: of the pool.
        state: the build; it says the models' order.
        data: labels and classes.
        hashes: uint8 [n_samples, 32] of the samples.
        options: of the build.
        requests: the models by name.
        unaware: the models that get the preprocessing of the options.
        columns: by model, which of its outputs are stored, where it has others.
    """

    folder: Path
    state: BuildState
    data: DataSource
    hashes: ByteArray
    options: BuildOptions
    requests: Mapping[str, ModelRequest]
    unaware: frozenset[str]
    columns: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    _records: dict[str, StoredModel] = field(init=False, default_factory=dict[str, StoredModel])
    _held_out: ByteArray | None = field(init=False)

    def __post_init__(self) -> None:
        self._held_out = self.options.held_out

    @property
    def names(self) -> frozenset[str]:
        """The models that are in the pool."""
        return frozenset(self._records)

    def keep(self, wanted: frozenset[str]) -> None:
        """Takes over what an earlier build stored, as far as it is wanted, and clears up after it.

        Raises:
            PoolError: the earlier build's pool has faults.
        """
        for folder in (self.folder, self.folder / OUTPUTS):
            for file in unfinished_files(folder):
                file.unlink()
        index = self.folder / POOL_FILE
        if index.is_file():
            self._held_out = union(self._held_out, Pool.load(self.folder).held_out)
            content = read_json(index, error=PoolError)
            records = stored_models(self.folder, content)  # type: ignore[arg-type]
            self._records = {r.model.name: r for r in records if r.model.name in wanted}
        self._write()

    def add(self, answer: BuildAnswer) -> tuple[Model, float]:
        """Stores what a model answered; returns its record and its accuracy.

        Raises:
            PoolError: the outputs make no pool.
        """
        assert answer.outputs is not None
        given = self.options.costs.get(answer.name, {})
        costs = {key: float(value) for key, value in {**answer.costs, **given}.items()}
        source = self._source(answer)
        model = Model(name=answer.name, kind=answer.kind, costs=costs, source=source)
        with np.errstate(over="ignore"):
            outputs = answer.outputs.astype(self.options.stored)
        faults = pool_faults([model], [outputs], self.data.label, self.data.classes)
        if faults:
            raise PoolError(*faults)
        self._records[answer.name] = store_outputs(self.folder, model, outputs)
        self._write()
        return model, float((outputs.argmax(axis=1) == self.data.label).mean())

    def _source(self, answer: BuildAnswer) -> str:
        """The SPEC as seen from the folder, with what its values and the options have told."""
        name = answer.name
        request = self.requests[name]
        source = rebased_spec(request.spec, base=request.base, folder=self.folder)
        if name in self.columns:
            content = json_text(list(self._columns(request))).encode()
            source = with_option(source, "columns", self._kept("columns", content))
        if "kind" not in parse_spec(source).options:
            source = with_option(source, "kind", answer.kind)
        if name not in self.unaware or self.options.preprocessing is None:
            return source
        content = self.options.preprocessing.read_bytes()
        return with_option(source, "preprocessing", self._kept("preprocessing", content))

    def _columns(self, request: ModelRequest) -> tuple[int, ...]:
        """Which outputs are stored, of all that the model has without its SPEC's own columns."""
        chosen = self.columns[request.name]
        own = source_model(request.spec, base=request.base).columns
        return chosen if own is None else tuple(own[column] for column in chosen)

    def _kept(self, what: str, content: bytes) -> str:
        """The name of a file in the pool's folder with what a SPEC alone does not tell."""
        name = f"{what}-{hashlib.sha256(content).hexdigest()[:8]}.json"
        if not (self.folder / name).is_file():
            write_atomically(self.folder / name, content)
        return name

    def _write(self) -> None:
        if not self._records:
            (self.folder / POOL_FILE).unlink(missing_ok=True)
            return
        ordered = [self._records[m.name] for m in self.state.models if m.name in self._records]
        about = About(
            name=self.options.name or self.folder.resolve().name,
            label=self.data.label,
            classes=self.data.classes,
            data="" if self.options.rows else self.data.name,
            samples=self.hashes,
            held_out=self._held_out,
        )
        write_index(self.folder, ordered, about)
