"""ImageNet's validation set and ImageNetV2, in the layouts that they are found in.

imagenet:DIR      DIR (or DIR/val) has one folder for each synset, n01440764/..., or the flat files
                  ILSVRC2012_val_00000001.JPEG with labels beside them: the development kit
                  (ILSVRC2012_devkit_t12) or Kaggle's LOC_val_solution.csv
imagenetv2:DIR    DIR has some of the three sets of ImageNetV2 (B. Recht et al., "Do ImageNet
                  Classifiers Generalize to ImageNet?", ICML 2019), each with folders 0 .. 999
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..arrays import frozen
from ..errors import DataError
from .class_folders import ENDINGS
from .data_source import DataSource, source_of_files
from .downloads import Archive, unpacked
from .image_files import ImageFiles, open_image_files

SYNSET = re.compile(r"n\d{8}")
PREFIX = "ILSVRC2012_val_"
FLAT = re.compile(rf"{PREFIX}\d{{8}}\.JPEG")
FLAT_FOLDERS = ("", "val", "ILSVRC2012_img_val", "ILSVRC/Data/CLS-LOC/val")
DEVKIT = "ILSVRC2012_devkit_t12"
SOLUTIONS = "LOC_val_solution.csv"
N_CLASSES = 1000
V2_SITE = "https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main"
V2_SETS = ("matched-frequency", "threshold0.7", "top-images")
V2_SUFFIX = "-format-val"


def open_imagenet(root: Path) -> DataSource:
    """Opens ImageNet's validation set; labels are positions in the sorted synsets.

    Raises:
        DataError: says what to put where.
    """
    for folder in (root / "val", root):
        if folder.is_dir() and any(SYNSET.fullmatch(entry.name) for entry in folder.iterdir()):
            return source_of_files(open_image_files(folder), name=f"imagenet:{root}")
    flat = next((f for f in (root / name for name in FLAT_FOLDERS) if _flat_files(f)), None)
    if flat is None:
        raise DataError(
            "no ImageNet here: put the folders n01440764 .. n15075141 of the validation set there, "
            f"or unpack ILSVRC2012_img_val.tar there and beside it {DEVKIT}.tar.gz "
            f"(https://image-net.org/download) or {SOLUTIONS}",
            where=str(root),
        )
    names = _flat_files(flat)
    synset_of = _synsets(root)
    lacking = [name for name in names if Path(name).stem not in synset_of]
    if lacking:
        raise DataError(f"no label of {lacking[0]}", where=str(root))
    # All classes that there are labels of, also where some images are missing: a model's outputs.
    classes = tuple(sorted(set(synset_of.values())))
    place_of = {synset: place for place, synset in enumerate(classes)}
    label = np.array([place_of[synset_of[Path(name).stem]] for name in names], np.int64)
    files = ImageFiles(
        root=flat,
        paths=tuple(names),
        label=frozen(label),
        classes=classes,
        opener=lambda path: (flat / path).open("rb"),
    )
    return source_of_files(files, name=f"imagenet:{root}")


def open_imagenetv2(root: Path, *, download: bool) -> DataSource:
    """Opens the sets of ImageNetV2 below `root` as one: of equal files the first stays.

    Raises:
        DataError: says what to put where.
    """
    folders = [root / f"imagenetv2-{name}{V2_SUFFIX}" for name in V2_SETS]
    if download:
        folders = [unpacked(_v2_archive(name), root, download=True) for name in V2_SETS]
    found = [folder for folder in folders if folder.is_dir()]
    if not found:
        names = ", ".join(folder.name for folder in folders)
        raise DataError(
            f"no ImageNetV2 here: put {names} there (from {V2_SITE}), or give --download",
            where=str(root),
        )
    paths = list(_distinct(root, found))
    if not paths:
        raise DataError("the sets of ImageNetV2 hold no images", where=str(root))
    label = np.array([int(Path(path).parent.name) for path in paths], np.int64)
    files = ImageFiles(
        root=root,
        paths=tuple(paths),
        label=frozen(label),
        classes=tuple(str(i) for i in range(N_CLASSES)),
        opener=lambda path: (root / path).open("rb"),
    )
    return source_of_files(files, name=f"imagenetv2:{root}")


def _v2_archive(name: str) -> Archive:
    stem = f"imagenetv2-{name}"
    return Archive(url=f"{V2_SITE}/{stem}.tar.gz", md5="", folder=stem + V2_SUFFIX)


def _distinct(root: Path, folders: list[Path]) -> Iterator[str]:
    """The images of the sets, by set and class; of equal contents the first."""
    seen: set[bytes] = set()
    for file in (file for folder in folders for file in _files_by_class(folder)):
        digest = hashlib.sha256(file.read_bytes()).digest()
        if digest not in seen:
            seen.add(digest)
            yield file.relative_to(root).as_posix()


def _files_by_class(folder: Path) -> Iterator[Path]:
    classes = [entry for entry in folder.iterdir() if entry.is_dir()]
    wrong = [e.name for e in classes if not e.name.isdecimal() or int(e.name) >= N_CLASSES]
    if wrong:
        raise DataError(f"expected folders 0 .. 999, got {wrong[0]!r}", where=str(folder))
    for place in sorted(classes, key=lambda entry: int(entry.name)):
        yield from sorted(file for file in place.iterdir() if file.name.lower().endswith(ENDINGS))


def _flat_files(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if FLAT.fullmatch(entry.name))


def _synsets(root: Path) -> dict[str, str]:
    """The synset of every image of the validation set, by its file's name without the ending."""
    solutions = next((p for p in (root / SOLUTIONS, root.parent / SOLUTIONS) if p.is_file()), None)
    if solutions is not None:
        with solutions.open(newline="") as file:
            rows = list(csv.DictReader(file))
        try:
            return {row["ImageId"]: row["PredictionString"].split()[0] for row in rows}
        except (KeyError, IndexError, AttributeError) as cause:
            raise DataError("expected ImageId,PredictionString", where=str(solutions)) from cause
    kit = next((p for p in (root / DEVKIT, root.parent / DEVKIT) if p.is_dir()), None)
    if kit is None:
        raise DataError(
            f"flat files need labels: put {DEVKIT} or {SOLUTIONS} there", where=str(root)
        )
    from .imagenet_devkit import devkit_synsets  # noqa: PLC0415 - scipy is optional

    return {f"{PREFIX}{i:08d}": synset for i, synset in enumerate(devkit_synsets(kit), start=1)}
