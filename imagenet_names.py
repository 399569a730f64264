"""The names that ImageNet's 1,000 classes go by: synsets, numbers, readable names.

A name is looked up in the table beside this module, as its synset (n01440764), its number in the
networks' order ("0" .. "999"), all its lemmas ("tench, Tinca tinca"), or one that no other class
has ("tench").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

Names: TypeAlias = Mapping[str, frozenset[int]]

TABLE = Path(__file__).with_name("imagenet_classes.txt")
N_IMAGENET = 1000
# What torchvision calls two classes that WordNet gives no lemma of their own.
ALIASES = {"crane bird": 134, "maillot tank suit": 639}


def imagenet_synsets() -> tuple[str, ...]:
    """The synsets (n01440764, ...) of the 1,000 classes, in the networks' order."""
    return tuple(synset for synset, _ in _rows())


def imagenet_places(names: Sequence[str], *, numbers: bool) -> tuple[int, ...] | None:
    """The outputs of the classes that names stand for; None where one is not ImageNet's.

    A name of two classes ("crane") stands for the one that no other name stands for.

    Args:
        names: of classes, by label.
        numbers: whether a part of the numbers "0" .. "999" may stand for ImageNet's classes; all
            1,000 of them always may.
    """
    if all(name.isdecimal() and str(int(name)) == name for name in names):
        places = tuple(map(int, names))
        known = numbers or len(names) == N_IMAGENET
        is_used = known and len(set(places)) == len(places) and max(places) < N_IMAGENET
        return places if is_used else None
    if len(names) == N_IMAGENET and all(i in _any(name) for i, name in enumerate(names)):
        return tuple(range(N_IMAGENET))
    meant = [_meant(name) for name in names]
    taken = {place for places in meant for place in places if len(places) == 1}
    left = [places if len(places) == 1 else places - taken for places in meant]
    found = tuple(place for places in left for place in places if len(places) == 1)
    return found if len(set(found)) == len(names) == len(found) else None


def _any(name: str) -> frozenset[int]:
    """All classes that a name stands for, its own and those of which it is one lemma of many."""
    return _meant(name) | _tables()[-1].get(_folded(name), frozenset())


def _meant(name: str) -> frozenset[int]:
    plain, folded = _plain(name), _folded(name)
    for names, key in zip(_tables(), (plain, plain, folded, folded, folded), strict=True):
        if key in names:
            return names[key]
    return frozenset()


def _plain(name: str) -> str:
    return name.strip().replace("_", " ")


def _folded(name: str) -> str:
    return _plain(name).casefold()


@cache
def _tables() -> tuple[Names, ...]:
    """From the surest name to the least: all lemmas, the first one, both in small letters, any."""
    rows = _rows()
    whole = [*_pairs((synset, lemmas) for synset, lemmas in rows), *ALIASES.items()]
    first = [(lemmas.split(", ")[0], i) for i, (_, lemmas) in enumerate(rows)]
    every = _pairs(lemmas.split(", ") for _, lemmas in rows)
    folded = [[(name.casefold(), i) for name, i in pairs] for pairs in (whole, first, every)]
    return tuple(map(_table, (whole, first, *folded)))


@cache
def _rows() -> tuple[tuple[str, str], ...]:
    """Synset and lemmas of each class."""
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if line[0] != "#"]
    return tuple((synset, lemmas) for synset, lemmas in (line.split("\t") for line in lines))


def _pairs(names_of: Iterable[Iterable[str]]) -> Iterator[tuple[str, int]]:
    return ((name, i) for i, names in enumerate(names_of) for name in names)


def _table(pairs: Iterable[tuple[str, int]]) -> Names:
    table: dict[str, frozenset[int]] = {}
    for name, i in pairs:
        table[name] = table.get(name, frozenset()) | {i}
    return table
