"""A pool: the stored outputs of many classifiers on one split, with labels and costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import ByteArray, FloatArray, IntArray, frozen
from ..cascade import softmax
from ..errors import PoolError
from ..html_table import html_table
from .absent_output import AbsentOutput
from .model import Kind, Model, array_sha256, pool_sha256
from .pool_arrays import models_of, output_arrays
from .pool_faults import pool_faults
from .pool_io import read_pool
from .pool_writing import About, write_pool

Rows: TypeAlias = "slice | IntArray"
ALL_ROWS = slice(None)
# Of the table that a notebook shows.
SHOWN_MODELS = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Outputs of `n_models` classifiers on the same `n_samples` samples.

    Args:
        name: the pool's name, for people.
        models: one record for each classifier.
        outputs: one array [n_samples, n_classes] for each classifier, float16 or float32, often
            memory-mapped; read them through `probabilities`. All are `AbsentOutput`s in a
            compressed pool (evaluate/pool_compression.py).
        label: int64 [n_samples], the true classes.
        sha256: identifies names, outputs, labels, costs and sources.
        classes: class names by label, or None.
        data: the DATA string that the outputs belong to, "" where it is not known.
        path: the folder that it was loaded from, None in memory.
        samples: uint8 [n_samples, 32], the SHA-256 of each sample's bytes, or None.
        held_out: uint8 [n, 32], hashes of samples that are kept for the test (pool_split.py).
    """

    name: str
    models: tuple[Model, ...]
    outputs: tuple[NDArray[Any], ...]
    label: IntArray
    sha256: str
    classes: tuple[str, ...] | None = None
    data: str = ""
    path: Path | None = None
    samples: ByteArray | None = None
    held_out: ByteArray | None = None

    def __repr__(self) -> str:
        return (
            f"Pool({self.name!r}, {self.n_models} models, {self.n_samples} samples, "
            f"{self.n_classes} classes)"
        )

    def _repr_html_(self) -> str:
        costs = sorted({cost for model in self.models for cost in model.costs})
        rows = [
            (m.name, m.kind, *(f"{m.costs[c]:.4g}" if c in m.costs else "" for c in costs))
            for m in self.models[:SHOWN_MODELS]
        ]
        table = "".join(html_table(("model", "stored", *costs), rows, text_columns=(1,)))
        more = self.n_models - len(rows)
        return f"<p>{escape(repr(self))}</p>{table}" + (f"<p>and {more} more</p>" if more else "")

    def __len__(self) -> int:
        """The number of classifiers."""
        return len(self.models)

    def __iter__(self) -> Iterator[Model]:
        """The records of the classifiers, in order."""
        return iter(self.models)

    def __contains__(self, name: object) -> bool:
        """Whether there is a classifier of that name."""
        return name in self.names

    def __getitem__(self, key: str | int) -> Model:
        """The record of a classifier, by its name or its position.

        Raises:
            PoolError: there is none of that name.
            IndexError: there is none at that position.
        """
        return self.models[self.index(key) if isinstance(key, str) else key]

    @property
    def n_models(self) -> int:
        """The number of classifiers."""
        return len(self.models)

    @property
    def n_samples(self) -> int:
        """The number of samples."""
        return len(self.label)

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return int(self.outputs[0].shape[1])

    @property
    def is_compressed(self) -> bool:
        """Whether it holds contenders alone, and no outputs."""
        return isinstance(self.outputs[0], AbsentOutput)

    @property
    def names(self) -> tuple[str, ...]:
        """The classifiers' names, in order."""
        return tuple(model.name for model in self.models)

    @property
    def about(self) -> About:
        """What it states besides its models."""
        return About(
            name=self.name,
            label=self.label,
            classes=self.classes,
            data=self.data,
            samples=self.samples,
            held_out=self.held_out,
        )

    def index(self, name: str) -> int:
        """The position of the classifier `name`.

        Raises:
            PoolError: there is none of that name.
        """
        if name not in self.names:
            raise PoolError(
                f"no model {name!r}; the pool has {self.n_models} models: "
                + ", ".join(self.names[:8])
                + (", ..." if self.n_models > 8 else ""),
                where=f"pool {self.name}",
            )
        return self.names.index(name)

    def costs(self, cost: str) -> NDArray[np.float64]:
        """The cost `cost` of every classifier, float64 [n_models].

        Raises:
            PoolError: some classifier has no such cost.
        """
        lacking = [model.name for model in self.models if cost not in model.costs]
        if lacking:
            known = sorted(set.intersection(*(set(model.costs) for model in self.models)))
            raise PoolError(
                f"{len(lacking)} of {self.n_models} models have no cost {cost!r} "
                f"(first: {lacking[0]}); every model has: {', '.join(known) or 'none'}",
                where=f"pool {self.name}",
            )
        return np.array([model.costs[cost] for model in self.models], np.float64)

    def probabilities(self, index: int, rows: Rows = ALL_ROWS) -> FloatArray:
        """Probabilities of classifier `index` on `rows`, float32 [n, n_classes]."""
        model = self.models[index]
        stored = np.asarray(self.outputs[index][rows], np.float32)
        if model.kind == "logits":
            scale = np.float32(model.temperature)
            return softmax(stored if model.temperature == 1 else stored / scale)
        if model.temperature == 1:
            return stored
        positive = np.maximum(stored, np.finfo(np.float32).tiny)
        logits = np.asarray(np.log(positive), np.float32)
        return softmax(logits / np.float32(model.temperature))

    def take(self, rows: ArrayLike, *, name: str | None = None) -> Pool:
        """The pool of the samples `rows` alone, in memory."""
        chosen = np.asarray(rows)
        taken = Pool.of(
            outputs=[output[chosen] for output in self.outputs],
            label=self.label[chosen],
            models=self.models,
            name=name or self.name,
            classes=self.classes,
        )
        samples = None if self.samples is None else frozen(self.samples[chosen])
        return replace(taken, samples=samples, held_out=self.held_out)

    def with_temperatures(self, temperatures: Sequence[float]) -> Pool:
        """This pool with a temperature for each classifier."""
        models = tuple(
            replace(model, temperature=float(t))
            for model, t in zip(self.models, temperatures, strict=True)
        )
        hashes = [array_sha256(output) for output in self.outputs]
        digest = pool_sha256(models, hashes, array_sha256(self.label))
        return replace(self, models=models, sha256=digest, path=None)

    @classmethod
    def of(  # noqa: PLR0913 - the arrays of a pool
        cls,
        *,
        outputs: ArrayLike | Sequence[NDArray[Any]],
        label: ArrayLike,
        models: Sequence[Model] | None = None,
        names: Sequence[str] | None = None,
        kind: Kind = "probabilities",
        costs: Mapping[str, Sequence[float] | NDArray[Any]] | None = None,
        sources: Sequence[str] | None = None,
        name: str = "pool",
        classes: tuple[str, ...] | None = None,
        data: str = "",
    ) -> Pool:
        """Makes a pool in memory of outputs [n_models, n_samples, n_classes] and label [n_samples].

        Give `models`, or `names` (default model_0 ..) with `costs` (name -> [n_models]), `sources`
        (a SPEC for each, which the export needs) and one `kind` for all.

        Raises:
            PoolError: names every fault: no arrays, shapes, NaN, infinities, negative
                probabilities, rows far from sum 1, labels out of range, duplicate names, costs
                that are negative or have no proper name.
        """
        arrays = output_arrays(outputs, where=name)
        if models is None:
            models = models_of(names, costs, kind, sources, len(arrays), where=name)
        faults = pool_faults(models, arrays, np.asarray(label), classes)
        if faults:
            raise PoolError(*faults, where=name)
        labels = frozen(np.array(label, np.int64))
        hashes = [array_sha256(array) for array in arrays]
        return cls(
            name=name,
            models=tuple(models),
            outputs=tuple(frozen(array.view()) for array in arrays),
            label=labels,
            sha256=pool_sha256(models, hashes, array_sha256(labels)),
            classes=classes,
            data=data,
        )

    @classmethod
    def load(cls, path: str | Path) -> Pool:
        """Opens a pool folder; the outputs are memory-mapped, not read.

        Raises:
            PoolError: the folder is missing, foreign, truncated or has faults.
        """
        return cls(**read_pool(Path(path)))

    def save(self, path: str | Path, *, overwrite: bool = False) -> Pool:
        """Writes the pool as a folder, atomically, and returns the stored pool."""
        parts = zip(self.models, self.outputs, strict=True)
        write_pool(Path(path), parts, self.about, overwrite=overwrite)
        return Pool.load(path)


def given_pool(pool: Pool | str | Path) -> Pool:
    """A pool as a user names it: the value itself, or the folder that it lies in.

    Raises:
        PoolError: it is neither, or the folder has faults.
    """
    if isinstance(pool, Pool):
        return pool
    if isinstance(pool, (str, Path)):  # pyright: ignore[reportUnnecessaryIsInstance]
        return Pool.load(pool)
    raise PoolError(f"expected a Pool or the path of one, got {type(pool).__name__}")
