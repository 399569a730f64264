"""Image files in ImageFolder layout, in a folder or in a zip that is read where it lies.

    CLASS/any/where/below/NAME.jpg

Links that lead to somewhere in the folder are followed, others are refused. Classes and files come
in torchvision's order. A zip is hostile until proven otherwise: nothing is extracted, no entry may
have a path that leads anywhere, and no entry may be larger than an image.
"""

from __future__ import annotations

import io
import os
import stat
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np

from ..arrays import FloatArray, IntArray, frozen
from ..errors import DataError
from .class_folders import FolderListing, class_folders
from .preprocessing import Preprocessing

Opener: TypeAlias = Callable[[str], BinaryIO]

MAX_FILE_BYTES = 64 * 2**20
MAX_FILES = 4_000_000
MAX_FAULTS = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageFiles:
    """Image files by class.

    Args:
        root: the folder or zip.
        paths: of each image below the root, in order.
        label: int64 [n].
        classes: names by label, sorted.
        opener: opens the file of a path.
        notes: what a user should know, one sentence each.
    """

    root: Path
    paths: tuple[str, ...]
    label: IntArray
    classes: tuple[str, ...]
    opener: Opener
    notes: tuple[str, ...] = ()

    def read(self, rows: IntArray, *, preprocessing: Preprocessing) -> FloatArray:
        """The samples of `rows` [n], float32 [n, *preprocessing.sample_shape].

        Raises:
            DataError: a file is not an image that can be read.
        """
        from .images import read_sample  # noqa: PLC0415 - Pillow is optional

        samples = np.empty((len(rows), *preprocessing.sample_shape), np.float32)
        for place, row in enumerate(rows):
            path = self.paths[int(row)]
            with self.opener(path) as file:
                samples[place] = read_sample(file, preprocessing, where=f"{self.root}/{path}")
        return samples


def open_image_files(root: Path) -> ImageFiles:
    """Lists the images of a folder or a zip; none is read yet.

    Raises:
        DataError: there are none, a class has none, a link leads elsewhere, or the zip has entries
            that are refused.
    """
    listing, opener = _open_folder(root) if root.is_dir() else _open_zip(root)
    found = class_folders(listing)
    by_class = found.images
    classes = tuple(sorted(by_class))
    ordered = [sorted(by_class[name], key=_torchvision_order) for name in classes]
    counts = [len(group) for group in ordered]
    return ImageFiles(
        root=root,
        paths=tuple(path for group in ordered for path in group),
        label=frozen(np.repeat(np.arange(len(classes), dtype=np.int64), counts)),
        classes=classes,
        opener=opener,
        notes=found.notes,
    )


def _open_folder(root: Path) -> tuple[FolderListing, Opener]:
    files: list[str] = []
    folders: list[str] = []
    faults: list[str] = []
    real_root = root.resolve()
    waiting: list[tuple[Path, tuple[Path, ...]]] = [(root, (real_root,))]
    while waiting:
        folder, chain = waiting.pop()
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            path = Path(entry.path)
            below = path.relative_to(root).as_posix()
            if entry.is_file():
                files.append(below)
                continue
            fault = _link_fault(path, real_root, chain) if entry.is_symlink() else ""
            if fault:
                faults.append(f"{below!r} is a link {fault}")
            elif entry.is_dir():
                folders.append(below)
                waiting.append((path, (*chain, path.resolve())))
    _refuse(faults, root)
    listing = FolderListing(root=root, files=files, folders=folders)
    return listing, lambda path: (root / path).open("rb")


def _link_fault(path: Path, root: Path, chain: tuple[Path, ...]) -> str:
    """Why a link to a folder is not followed, "" where it is."""
    target = path.resolve()
    if not target.exists():
        return "to nothing"
    if not target.is_relative_to(root):
        return f"out of the folder, to {target}: copy what is there, or give {target} itself"
    return "back to a folder that it lies in" if target in chain else ""


def _refuse(faults: Sequence[str], root: Path) -> None:
    if faults:
        more = len(faults) - MAX_FAULTS
        shown = [*faults[:MAX_FAULTS], *([f"and {more} more"] if more > 0 else [])]
        raise DataError(*shown, where=str(root))


def _open_zip(root: Path) -> tuple[FolderListing, Opener]:
    try:
        archive = zipfile.ZipFile(root)
    except (zipfile.BadZipFile, OSError, ValueError) as cause:
        raise DataError(
            f"not a folder, nor a zip that can be read: {cause}", where=str(root)
        ) from cause
    entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
    faults = list(_zip_faults(archive.infolist()))
    if faults:
        archive.close()
        _refuse(faults, root)
    lock = threading.Lock()

    def opener(path: str) -> BinaryIO:
        try:
            with lock, archive.open(entries[path]) as file:
                return io.BytesIO(file.read(MAX_FILE_BYTES))
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as cause:
            raise DataError(f"cannot be unpacked: {cause}", where=f"{root}/{path}") from cause

    folders = [entry.filename.rstrip("/") for entry in archive.infolist() if entry.is_dir()]
    return FolderListing(root=root, files=list(entries), folders=folders, is_zip=True), opener


def _zip_faults(entries: list[zipfile.ZipInfo]) -> Iterator[str]:
    if len(entries) > MAX_FILES:
        yield f"expected at most {MAX_FILES} entries, got {len(entries)}"
        return
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename
        parts = name.rstrip("/").split("/")
        if name.startswith("/") or "\\" in name or ":" in parts[0] or {"", ".", ".."} & {*parts}:
            yield f"the path {name!r} leads out of the zip"
        if name in seen:
            yield f"the path {name!r} comes twice"
        if stat.S_ISLNK(entry.external_attr >> 16):
            yield f"{name!r} is a link"
        if entry.flag_bits & 1:
            yield f"{name!r} is encrypted"
        if entry.file_size > MAX_FILE_BYTES:
            yield f"{name!r} has {entry.file_size} bytes, more than {MAX_FILE_BYTES}"
        seen.add(name)


def _torchvision_order(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name
