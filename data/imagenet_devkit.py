"""The labels of ImageNet's validation set, as its development kit states them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import DataError, MissingExtraError

try:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError
except ImportError as error:
    raise MissingExtraError("ImageNet's development kit", extra="data") from error

# What reading another file, or other values in it, ends in.
FOREIGN = (MatReadError, ValueError, LookupError, TypeError, NotImplementedError, OSError)
TRUTH = "ILSVRC2012_validation_ground_truth.txt"


def devkit_synsets(kit: Path) -> list[str]:
    """The synset (n01440764, ...) of each validation image, in the order of their numbers.

    Raises:
        DataError: a file of the kit is missing or foreign.
    """
    truth, meta = kit / "data" / TRUTH, kit / "data" / "meta.mat"
    for path in (truth, meta):
        if not path.is_file():
            raise DataError("no such file", where=str(path))
    try:
        synsets: Any = loadmat(str(meta), squeeze_me=True)["synsets"]
        name_of = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets}
        return [name_of[int(line)] for line in truth.read_text().split()]
    except FOREIGN as cause:
        raise DataError(f"not the development kit of 2012: {cause!r}", where=str(kit)) from cause
