"""Names of classes meet: which class of one thing is which class of another.

Data, models, pools, fronts and bundles each number their classes, and most name them. Two that
meet are matched here, by name, whoever they are: `matched_classes` is the one rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from .arrays import IntArray
from .errors import DataError, EncasError
from .imagenet_names import N_IMAGENET, imagenet_places, imagenet_synsets

OnNote: TypeAlias = Callable[[str], object]
Relation: TypeAlias = Literal["same", "permutation", "subset", "unnamed"]

SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassNames:
    """The classes of one thing.

    Args:
        owner: whose they are, for people, such as "the data digits:test".
        n_classes: how many; of data without names, the largest label plus 1.
        names: by label; None where they are not known.
    """

    owner: str
    n_classes: int
    names: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMatch:
    """Where the classes of one thing are among those of another.

    Args:
        relation: of the names: all the same in the same order, in another order, a part of the
            others, or not known on one side at least, so that the order is believed.
        places: the place of each class among the others.
        names: of those others, where either side states them or they are ImageNet's.
        note: what was matched, in one line for people; "" where there is nothing to say.
    """

    relation: Relation
    places: tuple[int, ...]
    names: tuple[str, ...] | None
    note: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether every class has the same number on both sides."""
        return self.places == tuple(range(len(self.places)))

    def labels(self, label: IntArray) -> IntArray:
        """Labels [n] as the other side numbers them."""
        return label if self.is_plain else np.array(self.places, np.int64)[label]


def unnoted(note: str, /) -> None:
    """The listener to notes where nobody listens."""


def matched_classes(
    given: ClassNames, known: ClassNames, *, error: type[EncasError] = DataError
) -> ClassMatch:
    """Finds the classes of `given` among those of `known`, which may have more.

    ImageNet's classes are known by their synsets, their numbers and their readable names.

    Args:
        given: such as those of data.
        known: such as those of the bundle that they are given to.
        error: the type of what is raised.

    Raises:
        EncasError: some class is not there, a name comes twice, or, where a side has no names,
            there are not as many classes; the text names what only one side has.
    """
    if given.names is None or known.names is None:
        return _by_order(given, known, error)
    if given.names == known.names:
        places = tuple(range(given.n_classes))
        return ClassMatch(relation="same", places=places, names=known.names)
    places, how = _by_name(given.names, known.names), "by name"
    if places is None:
        places, how = _by_imagenet(given.names, known.names), "as ImageNet's classes"
    if places is None:
        raise error(*_differences(given, known))
    return _named_match(given, known, places, how)


def is_imagenet(names: Sequence[str] | None) -> bool:
    """Whether all names are some of ImageNet's classes; a part of "0" .. "999" is not enough."""
    return bool(names) and imagenet_places(names or (), numbers=False) is not None


def _named_match(
    given: ClassNames, known: ClassNames, places: tuple[int, ...], how: str
) -> ClassMatch:
    n, n_known = len(places), known.n_classes
    if n < n_known:
        note = f"{given.owner}: {n} of the {n_known} classes of {known.owner}, matched {how}"
        return ClassMatch(relation="subset", places=places, names=known.names, note=note)
    if places == tuple(range(n)):
        note = f"{given.owner}: other names than {known.owner}, matched {how}"
        return ClassMatch(relation="same", places=places, names=known.names, note=note)
    note = f"{given.owner}: the classes are in another order than in {known.owner}, matched {how}"
    return ClassMatch(relation="permutation", places=places, names=known.names, note=note)


def _by_order(given: ClassNames, known: ClassNames, error: type[EncasError]) -> ClassMatch:
    if known.names is None and known.n_classes == N_IMAGENET and given.names:
        places = imagenet_places(given.names, numbers=True)
        if places is not None:
            note = (
                f"{known.owner} states no class names: its {N_IMAGENET:,} classes are taken for "
                f"ImageNet's, and {given.owner} is matched with them"
            )
            names = imagenet_synsets()
            return ClassMatch(relation="unnamed", places=places, names=names, note=note)
    fits = given.n_classes == known.n_classes or (
        given.names is None and given.n_classes < known.n_classes
    )
    if not fits:
        nameless = given if given.names is None else known
        raise error(
            f"{given.owner} has {given.n_classes} classes, {known.owner} has {known.n_classes}, "
            f"and {nameless.owner} states no class names to match them by"
        )
    note = ""
    if given.names is not None or known.names is not None:
        nameless, other = (given, known) if given.names is None else (known, given)
        note = (
            f"{nameless.owner} states no class names: its classes are taken in the order of "
            f"{other.owner}"
        )
    return ClassMatch(
        relation="unnamed",
        places=tuple(range(given.n_classes)),
        names=known.names or given.names,
        note=note,
    )


def _by_name(given: Sequence[str], known: Sequence[str]) -> tuple[int, ...] | None:
    place_of = {name: place for place, name in enumerate(known)}
    is_clear = len(place_of) == len(known) and len(set(given)) == len(given)
    if not is_clear or not place_of.keys() >= set(given):
        return None
    return tuple(place_of[name] for name in given)


def _by_imagenet(given: Sequence[str], known: Sequence[str]) -> tuple[int, ...] | None:
    meant_by_known = imagenet_places(known, numbers=False)
    if meant_by_known is None:
        return None
    meant = imagenet_places(given, numbers=len(known) == N_IMAGENET)
    place_of = {meant: place for place, meant in enumerate(meant_by_known)}
    if meant is None or not place_of.keys() >= set(meant):
        return None
    return tuple(place_of[each] for each in meant)


def _differences(given: ClassNames, known: ClassNames) -> list[str]:
    names, others = given.names or (), known.names or ()
    faults = [
        f"{side.owner} has the class {name!r} twice"
        for side in (given, known)
        for name, n in Counter(side.names or ()).items()
        if n > 1
    ]
    only = [name for name in names if name not in set(others)]
    lacking = [name for name in others if name not in set(names)]
    differences = (
        f"{given.owner} and {known.owner} have other classes: only the former has "
        f"{_some(only)}, only the latter {_some(lacking)}"
    )
    return [*faults[:SHOWN_NAMES], differences] if only or not faults else faults[:SHOWN_NAMES]


def _some(names: Sequence[str]) -> str:
    if not names:
        return "none"
    shown = ", ".join(map(repr, names[:SHOWN_NAMES]))
    return f"{len(names)} ({shown}{', ...' if len(names) > SHOWN_NAMES else ''})"
