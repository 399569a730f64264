"""Labelled samples, read only when asked for: `Dataset`; open_data.py makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from numpy.typing import NDArray

from ..arrays import IntArray, frozen
from ..class_names import ClassNames, OnNote, matched_classes, unnoted
from ..entries import INPUT
from ..errors import DataError
from .samples import Batch, converted

Read: TypeAlias = Callable[[IntArray], NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Labelled samples, read only when asked for.

    Args:
        name: what the user typed.
        label: int64 [n_samples].
        sample_shape: of one sample.
        dtype: of the samples, for example "float32".
        read: gives the samples of rows [n], as [n, *sample_shape].
        classes: class names by label, or None.
        sample_names: a name for each sample (for an image its path), or None.
        further: the same samples as a cascade's further inputs take them, by the input's name.
    """

    name: str
    label: IntArray
    sample_shape: tuple[int, ...]
    dtype: str
    read: Read
    classes: tuple[str, ...] | None = None
    sample_names: tuple[str, ...] | None = None
    further: Mapping[str, Dataset] = field(default_factory=dict[str, "Dataset"])

    @property
    def n_samples(self) -> int:
        """The number of samples."""
        return len(self.label)

    @property
    def class_names(self) -> ClassNames:
        """The classes, as they meet others."""
        n_classes = len(self.classes) if self.classes else int(self.label.max()) + 1
        return ClassNames(owner=f"the data {self.name}", n_classes=n_classes, names=self.classes)

    def in_classes_of(self, known: ClassNames, *, on_note: OnNote = unnoted) -> Dataset:
        """The same samples with labels as another thing numbers its classes, by name.

        Raises:
            DataError: the data has a class that the other thing lacks.
        """
        match = matched_classes(self.class_names, known)
        if match.note:
            on_note(match.note)
        if match.is_plain and match.names == self.classes:
            return self
        label = frozen(match.labels(self.label))
        further = {
            name: replace(view, label=label, classes=match.names)
            for name, view in self.further.items()
        }
        return replace(self, label=label, classes=match.names, further=further)

    def samples(self, rows: IntArray) -> NDArray[Any]:
        """The samples of `rows` [n], as [n, *sample_shape]."""
        return self.read(rows)

    def view(self, name: str) -> Dataset:
        """The samples as the input `name` takes them.

        Raises:
            DataError: there is no such input.
        """
        if name == INPUT:
            return self
        if name not in self.further:
            known = ", ".join((INPUT, *self.further))
            raise DataError(f"has samples for {known}, but not for {name}", where=self.name)
        return self.further[name]

    def as_types(self, dtypes: Mapping[str, str]) -> Dataset:
        """The same samples as the types that each input takes; "input" is this data set's own.

        Reading samples that the type cannot hold raises a DataError.
        """
        further = {
            name: view.as_types({INPUT: dtypes[name]}) for name, view in self.further.items()
        }
        dtype = dtypes[INPUT]
        if dtype == self.dtype:
            return replace(self, further=further)

        def read(rows: IntArray) -> NDArray[Any]:
            return converted(self.read(rows), dtype, where=self.name)

        return replace(self, dtype=dtype, read=read, further=further)

    def batch(self, rows: IntArray) -> Batch:
        """The samples `rows` [n] for a predictor, each read when a member asks for it."""
        if not self.further:
            return self.read(rows)
        return DatasetSamples(dataset=self, rows=rows)

    def arrays(self, rows: IntArray) -> Batch:
        """The samples `rows` [n] for a predictor, all of them read now."""
        if not self.further:
            return self.read(rows)
        views = {INPUT: self, **self.further}
        return {name: view.read(rows) for name, view in views.items()}

    def take(self, rows: IntArray) -> Dataset:
        """The data set of the samples `rows` [n], in that order."""
        names = self.sample_names
        return replace(
            self,
            label=self.label[rows],
            read=lambda local: self.read(rows[local]),
            sample_names=tuple(names[int(row)] for row in rows) if names else None,
            further={name: view.take(rows) for name, view in self.further.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DatasetSamples:
    """Rows of a data set as `Samples`: an image is decoded for those inputs alone that it reaches.

    Args:
        dataset: of which.
        rows: int64 [n].
    """

    dataset: Dataset
    rows: IntArray

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, name: str, rows: IntArray) -> NDArray[Any]:
        """See `Samples.read`."""
        return self.dataset.view(name).read(self.rows[rows])
