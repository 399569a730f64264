"""WebDataset shards: uncompressed tar files of NAME.jpg and NAME.cls (https://webdataset.github.io).

Where a sample has no .cls, its label is the number "label" of its NAME.json. Nothing is unpacked;
images are read where they lie in the shards.
"""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..arrays import frozen
from ..errors import DataError
from ..files import distinct_keys
from .class_folders import ENDINGS
from .data_source import DataSource, source_of_files
from .image_files import MAX_FILE_BYTES, ImageFiles

LABEL_ENDINGS = (".cls", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a file lies in a shard."""

    shard: Path
    offset: int
    size: int


def open_shards(root: Path) -> DataSource:
    """Opens one shard, or all NAME.tar in a folder, in the order of their names.

    Raises:
        DataError: a shard is damaged or compressed, or an image has no label.
    """
    shards = sorted(root.glob("*.tar")) if root.is_dir() else [root]
    if not shards or not all(shard.is_file() for shard in shards):
        raise DataError("no shards: put NAME.tar files there", where=str(root))
    places: dict[str, _Place] = {}
    labels: list[int] = []
    for shard in shards:
        for key, place, label in _samples(shard):
            places[f"{shard.name}/{key}"] = place
            labels.append(label)
    if not places:
        raise DataError("the shards hold no images", where=str(root))

    def opener(path: str) -> BinaryIO:
        place = places[path]
        with place.shard.open("rb") as file:
            file.seek(place.offset)
            return io.BytesIO(file.read(place.size))

    files = ImageFiles(
        root=root,
        paths=tuple(places),
        label=frozen(np.array(labels, np.int64)),
        classes=(),
        opener=opener,
    )
    return replace(source_of_files(files, name=f"webdataset:{root}"), classes=None)


def _samples(shard: Path) -> list[tuple[str, _Place, int]]:
    images: dict[str, tuple[str, _Place]] = {}
    labels: dict[str, dict[str, bytes]] = {ending: {} for ending in LABEL_ENDINGS}
    try:
        # "r:" takes no compressed file, in which nothing can be looked up.
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                _sort_in(archive, member, shard, images, labels)
    except (tarfile.TarError, OSError, EOFError) as cause:
        raise DataError(f"not an uncompressed tar file: {cause}", where=str(shard)) from cause
    found = {name: (e, labels[e][name]) for e in LABEL_ENDINGS[::-1] for name in labels[e]}
    lacking = [name for name in images if name not in found]
    if lacking:
        raise DataError(
            f"{len(lacking)} images have no label {'/'.join(LABEL_ENDINGS)} (first: {lacking[0]})",
            where=str(shard),
        )
    return [
        (path, place, _label(found[name][1], where=f"{shard}/{name}{found[name][0]}"))
        for name, (path, place) in images.items()
    ]


def _sort_in(
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    shard: Path,
    images: dict[str, tuple[str, _Place]],
    labels: dict[str, dict[str, bytes]],
) -> None:
    folder, slash, base = member.name.rpartition("/")
    stem, dot, ending = base.partition(".")
    name = folder + slash + stem
    if not member.isfile() or not dot:
        return
    if member.size > MAX_FILE_BYTES:
        raise DataError(f"{member.name!r} has {member.size} bytes", where=str(shard))
    if f".{ending.lower()}" in ENDINGS:
        place = _Place(shard=shard, offset=member.offset_data, size=member.size)
        images[name] = (member.name, place)
    elif f".{ending}" in LABEL_ENDINGS:
        file = archive.extractfile(member)
        assert file is not None
        labels[f".{ending}"][name] = file.read()


def _label(content: bytes, *, where: str) -> int:
    try:
        value = json.loads(content, object_pairs_hook=distinct_keys)
        label = value["label"] if isinstance(value, dict) else value
    except (ValueError, KeyError) as cause:
        raise DataError(f"expected a label: {cause!r}", where=where) from cause
    if not isinstance(label, int) or isinstance(label, bool) or label < 0:
        raise DataError(f"expected a label >= 0, got {label!r}", where=where)
    return label
