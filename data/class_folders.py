"""Which folders are classes, and what of a folder or zip of images a user should be told.

A folder's classes are the folders in it, with images anywhere below. A zip may also hold one
folder, and the classes in that, as zips are often made of the folder that holds the classes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import DataError

ENDINGS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# Pictures of kinds that are not read here: leaving them out without a word would be a loss.
OTHER_PICTURES = (
    ".apng", ".avif", ".dcm", ".gif", ".heic", ".heif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe",
    ".jxl", ".npy", ".svg", ".tga",
)  # fmt: skip
PARTS = {"train", "training", "val", "valid", "validation", "test", "testing", "dev", "eval"}
CONVERT = "convert them to PNG or JPEG"
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderListing:
    """What a folder or a zip holds, as paths below it.

    Args:
        root: the folder or zip.
        files: all files.
        folders: all folders.
        is_zip: whether one folder may stand around the classes.
    """

    root: Path
    files: Sequence[str]
    folders: Sequence[str]
    is_zip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFolders:
    """The classes of a listing.

    Args:
        images: the images of each class, by its name.
        notes: what a user should know, one sentence each.
    """

    images: Mapping[str, Sequence[str]]
    notes: tuple[str, ...]


def class_folders(listing: FolderListing) -> ClassFolders:
    """The classes of a folder or zip, with their images.

    Raises:
        DataError: there are no images, a folder of a class has none, the folders are the parts of
            a data set, or names are not in UTF-8.
    """
    faults = list(_name_faults(listing))
    if faults:
        raise DataError(*faults, where=str(listing.root))
    images = [path for path in listing.files if _is_image(path)]
    depth = _depth(images) if listing.is_zip else 0
    classes: dict[str, list[str]] = {}
    for path in images:
        parts = PurePosixPath(path).parts
        if len(parts) > depth + 1:
            classes.setdefault(parts[depth], []).append(path)
    if not classes:
        others = _told(path for path in listing.files if path.lower().endswith(OTHER_PICTURES))
        more = f"; but {others}: {CONVERT}" if others else ""
        endings = " ".join(ENDINGS)
        raise DataError(f"no images (CLASS/NAME with one of {endings}){more}",
                        where=str(listing.root))  # fmt: skip
    faults = [*_part_faults(classes, depth, listing.root), *_empty_faults(listing, classes, depth)]
    if faults:
        raise DataError(*faults, where=str(listing.root))
    return ClassFolders(images=classes, notes=tuple(_notes(listing, classes, depth)))


def natural_order(names: Sequence[str]) -> list[str]:
    """Names with their numbers in the order of numbers, as timm sorts them: 1, 2, 10."""

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", name.lower())
        return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]

    return sorted(names, key=key)


def _depth(images: Sequence[str]) -> int:
    """How many folders stand around the classes."""
    depth = 0
    while images and len({PurePosixPath(path).parts[depth] for path in images}) == 1:
        if any(len(PurePosixPath(path).parts) <= depth + 2 for path in images):
            break
        depth += 1
    return depth


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(path).parts)


def _is_image(path: str) -> bool:
    return path.lower().endswith(ENDINGS) and not _is_hidden(path)


def _name_faults(listing: FolderListing) -> Iterator[str]:
    odd = [path for path in (*listing.folders, *listing.files) if not _is_utf8(path)]
    if odd:
        shown = odd[0].encode("utf-8", "surrogateescape")
        yield (
            f"{len(odd)} names are not in UTF-8 (the first: {shown!r}); rename them, for example "
            "with convmv -r -f latin1 -t utf8 --notest FOLDER"
        )


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _part_faults(classes: Mapping[str, Sequence[str]], depth: int, root: Path) -> Iterator[str]:
    names = sorted(classes)
    are_parts = len(names) > 1 and all(name.lower() in PARTS for name in names)
    is_deep = all(len(PurePosixPath(p).parts) > depth + 2 for name in names for p in classes[name])
    if are_parts and is_deep:
        yield (
            f"{' and '.join(names)} are parts of a data set, not classes: give one of them, such "
            f"as {root}/{names[0]}"
        )


def _empty_faults(
    listing: FolderListing, classes: Mapping[str, Sequence[str]], depth: int
) -> Iterator[str]:
    around = PurePosixPath(next(iter(classes.values()))[0]).parts[:depth]
    known: dict[str, list[str]] = {}
    for path in (*listing.folders, *(file for file in listing.files if "/" in file)):
        parts = PurePosixPath(path).parts
        if parts[:depth] == around and len(parts) > depth and not _is_hidden(parts[depth]):
            known.setdefault(parts[depth], [])
    for path in listing.files:
        parts = PurePosixPath(path).parts
        if parts[:depth] == around and len(parts) > depth + 1 and not _is_hidden(path):
            known.setdefault(parts[depth], []).append(path)
    for name in sorted(set(known) - set(classes)):
        others = _told(known[name])
        if others:
            yield (
                f"the class folder {name!r} has no image of a known type, but {others}: "
                f"{CONVERT}, or take the folder away"
            )
        else:
            yield f"the class folder {name!r} is empty: put images there, or take it away"


def _told(paths: Iterator[str] | Sequence[str]) -> str:
    """How many files of which endings; "" where there are none."""
    counts = Counter(PurePosixPath(path).suffix.lower() or "no ending" for path in paths)
    files = ", ".join(f"{count} {ending}" for ending, count in sorted(counts.items()))
    return f"files of other types ({files})" if files else ""


def _notes(
    listing: FolderListing, classes: Mapping[str, Sequence[str]], depth: int
) -> Iterator[str]:
    others = [
        path for path in listing.files
        if path.lower().endswith(OTHER_PICTURES) and not _is_hidden(path)
    ]  # fmt: skip
    if others:
        yield f"{_told(others)} are left out; {CONVERT}"
    n_outside = sum(_is_image(path) for path in listing.files) - sum(map(len, classes.values()))
    if n_outside:
        yield f"{n_outside} images in no class folder are left out"
    names = sorted(classes)
    natural = natural_order(names)
    if natural != names:
        yield (
            f"the classes are in the order {_first(names)}, as torchvision sorts them; for models "
            f"whose loader counted {_first(natural)}, as timm's does, give --class-map natural"
        )
    below = sorted({PurePosixPath(path).parts[depth + 1] for path in classes[names[0]]})
    if len(names) == 1 and not any(map(_is_image, below)):
        yield (
            f"the only class is {names[0]!r}; if {_first(below)} are the classes, give "
            f"{listing.root}/{names[0]}"
        )


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", .." if len(names) > SHOWN else "")
