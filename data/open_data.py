"""Data that a user names, as the samples of a model: `open_data("digits:test")` gives a `Dataset`.

What a DATA string may say stands at the head of open_source.py. Images become samples by a
`Preprocessing`; whatever is not an image is a sample already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..class_names import OnNote, unnoted
from ..entries import INPUT
from ..manifest import Manifest
from .dataset import Dataset
from .open_source import SOURCE_KINDS, existing
from .plain_data import PLAIN_KINDS, open_images
from .preprocessing import Preprocessing


def open_views(
    text: str,
    preprocessings: Mapping[str, Preprocessing | None],
) -> Dataset:
    """Opens data once for each input of a cascade.

    Args:
        text: DATA, see the head of open_source.py.
        preprocessings: name of each input, "input" first -> how images become its samples.

    Raises:
        DataError: there is no such data, or it has faults.
    """
    views = {
        name: open_data(text, preprocessing=preprocessing)
        for name, preprocessing in preprocessings.items()
    }
    first = views.pop(INPUT)
    return replace(first, further=views)


def open_data(text: str, *, preprocessing: Preprocessing | None = None) -> Dataset:
    """Opens the data that a DATA string names.

    Args:
        text: DATA, see the head of open_source.py.
        preprocessing: how images become samples; data of images cannot be read without.

    Raises:
        DataError: there is no such data, or it has faults.
    """
    kind, _, rest = text.partition(":")
    if kind in PLAIN_KINDS:
        return replace(PLAIN_KINDS[kind](rest, preprocessing), name=text)
    if kind in SOURCE_KINDS:
        return replace(SOURCE_KINDS[kind](rest, False).dataset(preprocessing), name=text)
    return open_images(existing(text), preprocessing)


def open_bundle_data(bundle: Path, data: str, *, on_note: OnNote = unnoted) -> Dataset:
    """The data that a DATA string names, as a bundle takes them and with its labels.

    Args:
        bundle: the folder; its manifest says how images become samples, and which classes it has.
        data: DATA, see the head of open_source.py.
        on_note: hears how the classes of the data were matched with those of the bundle.

    Raises:
        ManifestError: the manifest has faults.
        DataError: there is no such data, it has faults, or classes that the bundle lacks.
    """
    known = Manifest.load(bundle).class_names
    return open_bundle_samples(bundle, data).in_classes_of(known, on_note=on_note)


def open_bundle_samples(bundle: Path, data: str) -> Dataset:
    """The same for those who need no labels: the data keep their own.

    Raises:
        ManifestError: the manifest has faults.
        DataError: there is no such data, or it has faults.
    """
    inputs = Manifest.load(bundle).inputs
    preprocessings = {
        entry.name: Preprocessing.of(entry.preprocessing, where=str(bundle))
        if entry.preprocessing
        else None
        for entry in inputs
    }
    return open_views(data, preprocessings).as_types({entry.name: entry.dtype for entry in inputs})
