"""Fetches archives of known data sets, only where a user asked for it."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError

CHUNK_BYTES = 2**20
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A .tar.gz on the network.

    Args:
        url: where it is.
        md5: of its bytes, "" where nobody states it.
        folder: that it unpacks to.
    """

    url: str
    md5: str
    folder: str


def data_folder() -> Path:
    """Where data sets lie that no folder is given for: $ENCAS_DATA, or ~/.cache/encas."""
    return Path(os.environ.get("ENCAS_DATA") or Path.home() / ".cache" / "encas")


def unpacked(archive: Archive, root: Path, *, download: bool) -> Path:
    """The folder of an archive below `root`, fetched and unpacked where it is not there.

    Raises:
        DataError: it is not there and may not, or cannot, be fetched.
    """
    folder = root / archive.folder
    if folder.is_dir():
        return folder
    if not download:
        raise DataError(
            f"no such folder: put {archive.folder} of {archive.url} there, or give --download",
            where=str(folder),
        )
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as temporary:
        file = Path(temporary) / "archive.tar.gz"
        _fetch(archive, file)
        _unpack(file, Path(temporary), where=archive.url)
        if not (Path(temporary) / archive.folder).is_dir():
            raise DataError(f"the archive holds no folder {archive.folder}", where=archive.url)
        (Path(temporary) / archive.folder).rename(folder)
    return folder


def _fetch(archive: Archive, file: Path) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with (
            urllib.request.urlopen(archive.url, timeout=TIMEOUT_S) as answer,
            file.open("wb") as out,
        ):
            while chunk := answer.read(CHUNK_BYTES):
                digest.update(chunk)
                out.write(chunk)
    except (urllib.error.URLError, OSError) as cause:
        raise DataError(f"cannot be fetched: {cause}", where=archive.url) from cause
    if archive.md5 and digest.hexdigest() != archive.md5:
        raise DataError(f"expected MD5 {archive.md5}, got {digest.hexdigest()}", where=archive.url)


def _unpack(file: Path, folder: Path, *, where: str) -> None:
    try:
        with gzip.open(file) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            archive.extractall(folder, filter="data")
            # The checksum stands behind what tar reads.
            while stream.read(CHUNK_BYTES):
                pass
    except (tarfile.TarError, zlib.error, OSError, EOFError) as cause:
        raise DataError(f"cannot be unpacked: {cause}", where=where) from cause
