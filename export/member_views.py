"""What the members of one cascade must agree on, and what each sees of a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from ..data.dataset import Dataset
from ..data.preprocessing import Preprocessing
from ..entries import INPUT
from ..errors import ExportError
from ..pools.models.source_model import SourceModel
from .member_input import SampleType
from .onnx_export import stated_input_dtype, stated_input_shape

# Types of samples, the first one first where members of one input differ.
DTYPES = ("uint8", "float32", "float16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member to export: its name in the cascade, its model, and its costs per sample."""

    name: str
    source: SourceModel
    macs: float | None = None
    params: float | None = None
    temperature: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """How the members of one cascade see a sample: one input for each preprocessing.

    Args:
        preprocessings: name of each input -> how an image becomes its samples; None where members
            want samples as they are.
        reads: the input of each member, in stage order.
    """

    preprocessings: Mapping[str, Preprocessing | None]
    reads: tuple[str, ...]


def views_of(members: Sequence[Member]) -> Views:
    """The inputs that members need: "input" is the first one's, then "input_2", ..."""
    names: dict[Preprocessing | None, str] = {}
    reads: list[str] = []
    for member in members:
        wanted = preprocessing_of(member)
        names.setdefault(wanted, INPUT if not names else f"{INPUT}_{len(names) + 1}")
        reads.append(names[wanted])
    return Views(
        preprocessings={name: wanted for wanted, name in names.items()}, reads=tuple(reads)
    )


def preprocessing_of(member: Member) -> Preprocessing | None:
    """How an image becomes a sample of a member, None where it wants samples as they are."""
    stated = member.source.preprocessing
    return Preprocessing.of(stated, where=member.source.spec) if stated else None


def input_shapes(
    members: Sequence[Member], views: Views, dataset: Dataset | None
) -> Mapping[str, tuple[int, ...]]:
    """The shape of one sample of each input, which its members, preprocessing and data agree on.

    Raises:
        ExportError: they do not, or none of them says.
    """
    return {
        name: _shape(
            [m for m, reads in zip(members, views.reads, strict=True) if reads == name],
            preprocessing,
            dataset.view(name) if dataset else None,
        )
        for name, preprocessing in views.preprocessings.items()
    }


def input_samples(
    members: Sequence[Member], views: Views, dataset: Dataset | None
) -> Mapping[str, SampleType]:
    """The samples of each input; members that take another type cast them.

    Raises:
        ExportError: members, preprocessing and data do not agree on a shape, or none of them says.
    """
    dtypes = input_dtypes(members, views)
    return {
        name: SampleType(dtype=dtypes[name], shape=shape)
        for name, shape in input_shapes(members, views, dataset).items()
    }


def input_dtypes(members: Sequence[Member], views: Views) -> Mapping[str, str]:
    """The type of the samples of each input, by name.

    Where one member takes bytes all get bytes, which every type holds; floats go by the most
    precise.

    Raises:
        ExportError: an ONNX file cannot be read.
    """
    taken = {
        name: {
            stated_input_dtype(member.source)
            for member, reads in zip(members, views.reads, strict=True)
            if reads == name
        }
        for name in views.preprocessings
    }
    return {name: next(d for d in DTYPES if d in dtypes) for name, dtypes in taken.items()}


def _shape(
    members: Sequence[Member], preprocessing: Preprocessing | None, dataset: Dataset | None
) -> tuple[int, ...]:
    stated = {stated_input_shape(member.source) for member in members} - {None}
    stated |= {preprocessing.sample_shape} if preprocessing else set()
    stated |= {dataset.sample_shape} if dataset else set()
    if not stated:
        raise ExportError(
            f"{members[0].name} does not say what its samples look like; give --data, or "
            "input_shape=3x32x32 in the SPEC"
        )
    # A model of tables takes images, too, as rows of as many numbers.
    images = {shape for shape in stated if shape and len(shape) > 1}
    tables = {(prod(shape),) for shape in images}
    shape = only(images if stated - images == tables else stated, "shapes of samples")
    assert shape is not None  # taken out above
    return shape


def only(values: set[Any], what: str) -> Any:
    """The one value of a set.

    Raises:
        ExportError: there are more; `what` says of what.
    """
    if len(values) > 1:
        shown = " and ".join(sorted(str(value) for value in values))
        raise ExportError(f"the members and the data have different {what}: {shown}")
    return next(iter(values))


def preprocessing_json(preprocessing: Preprocessing | None) -> dict[str, Any] | None:
    """A preprocessing as a JSON object."""
    return None if preprocessing is None else preprocessing.to_json()
