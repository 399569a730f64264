"""What a request for several cascades in one carries: the inputs of all of them, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...cascade import Cascade
from ...entries import INPUT, InputEntry
from ...runtime.executor import Prediction, Predictor
from ...runtime.session import SessionInfo

if TYPE_CHECKING:
    from ...data.raw_images import RawImages
    from ...data.samples import Batch


def united_inputs(cascades: Sequence[Sequence[InputEntry]]) -> tuple[InputEntry, ...]:
    """The inputs of all cascades; those that differ in nothing but the name come once.

    Args:
        cascades: the inputs of each. The one that has most keeps its names, the last of several:
            where it has all, who asks for it knows what to send.
    """
    most = max(reversed(cascades), key=len)
    found = list(most)
    for entry in (entry for inputs in cascades for entry in inputs):
        if _same(entry, found) is None:
            found.append(replace(entry, name=_free_name(found)))
    return tuple(found)


def reading(
    predictor: Predictor, own: Sequence[InputEntry], given: Sequence[InputEntry]
) -> Predictor:
    """A cascade whose inputs are `own`, called with those that are `given`, which has them all."""
    if tuple(own) == tuple(given):
        return predictor
    names = {entry.name: found.name for entry in own if (found := _same(entry, given))}
    return PartReader(predictor=predictor, names=names)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartReader:
    """The `Predictor` of a cascade that gets further inputs, or its own under other names.

    Args:
        predictor: the cascade.
        names: name of each of its inputs -> the name under which it comes.
    """

    predictor: Predictor
    names: Mapping[str, str]

    @property
    def cascade(self) -> Cascade:
        """The cascade that runs."""
        return self.predictor.cascade

    @property
    def info(self) -> SessionInfo:
        """See `Predictor.info`."""
        return self.predictor.info

    @property
    def inputs(self) -> Mapping[str, SessionInfo]:
        """See `Predictor.inputs`; by the names under which they come."""
        return {self.names[name]: info for name, info in self.predictor.inputs.items()}

    def __call__(self, x: Batch | RawImages) -> Prediction:
        """Predicts samples: an array for each input, of which some may be of no use here."""
        arrays: Mapping[str, NDArray[Any]] = x  # type: ignore[assignment]
        return self.predictor({own: arrays[name] for own, name in self.names.items()})


def _same(entry: InputEntry, others: Sequence[InputEntry]) -> InputEntry | None:
    """The one that holds the same samples; where they come ready, the name says what they are."""
    if entry.preprocessing is None:
        return next((other for other in others if other == entry), None)
    return next((other for other in others if replace(other, name=entry.name) == entry), None)


def _free_name(taken: Sequence[InputEntry]) -> str:
    names, number = {entry.name for entry in taken}, len(taken) + 1
    while f"{INPUT}_{number}" in names:
        number += 1
    return f"{INPUT}_{number}"
