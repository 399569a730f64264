"""What the members of one cascade must agree on to share one input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ExportError
from ..runtime.dataset import Dataset
from ..runtime.preprocessing import Preprocessing
from ..source import SourceModel
from .onnx_export import stated_input_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member to export: its name in the cascade, its model, and its costs per sample."""

    name: str
    source: SourceModel
    macs: float | None = None
    params: float | None = None
    temperature: float = 1.0


def shared_preprocessing(members: Sequence[Member]) -> Preprocessing | None:
    """The preprocessing that all members want, None where they want samples as they are.

    Raises:
        ExportError: they want different ones.
    """
    wanted = {
        member.name: Preprocessing.of(member.source.preprocessing, where=member.source.spec)
        if member.source.preprocessing
        else None
        for member in members
    }
    if len(set(wanted.values())) > 1:
        raise ExportError(
            "the members want different preprocessings, so they cannot share one input: "
            + "; ".join(f"{name}: {one}" for name, one in wanted.items())
        )
    return next(iter(wanted.values()))


def shared_input_shape(
    members: Sequence[Member], preprocessing: Preprocessing | None, dataset: Dataset | None
) -> tuple[int, ...]:
    """The shape of one sample that members, preprocessing and data agree on.

    Raises:
        ExportError: they do not, or none of them says.
    """
    stated = {stated_input_shape(member.source) for member in members} - {None}
    stated |= {preprocessing.sample_shape} if preprocessing else set()
    stated |= {dataset.sample_shape} if dataset else set()
    if not stated:
        raise ExportError(
            "no member says what its samples look like; give --data, or input_shape=3x32x32 in "
            "the SPEC"
        )
    shape = only(stated, "shapes of samples")
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
    if preprocessing is None:
        return None
    values = asdict(preprocessing).items()
    return {key: list(v) if isinstance(v, tuple) else v for key, v in values if v is not None}
