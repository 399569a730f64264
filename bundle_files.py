"""The files of a bundle: found inside its folder, and refused unless they are those hashed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .entries import FileEntry
from .errors import ManifestError
from .files import inside, sha256_of


def verified_path(bundle: Path, entry: FileEntry) -> Path:
    """The path of a bundle's file, after its size and SHA-256 were checked.

    Raises:
        ManifestError: the file is missing, leads out of the bundle, or is not the one hashed.
    """
    path = _sized_path(bundle, entry)
    _check_hash(sha256_of(path), entry, path)
    return path


def verified_bytes(bundle: Path, entry: FileEntry) -> bytes:
    """The content of a bundle's file: the very bytes whose size and SHA-256 were checked.

    Raises:
        ManifestError: the file is missing, leads out of the bundle, or is not the one hashed.
    """
    path = _sized_path(bundle, entry)
    with path.open("rb") as file:
        content = file.read(entry.bytes)
    _check_hash(hashlib.sha256(content).hexdigest(), entry, path)
    return content


def file_entry(bundle: Path, file: str) -> FileEntry:
    """The entry of a file that lies in the folder `bundle`, hashed now."""
    path = inside(bundle, file, error=ManifestError)
    return FileEntry(file=file, sha256=sha256_of(path), bytes=path.stat().st_size)


def _check_hash(actual: str, entry: FileEntry, path: Path) -> None:
    if actual != entry.sha256:
        raise ManifestError(f"expected SHA-256 {entry.sha256}, got {actual}", where=str(path))


def _sized_path(bundle: Path, entry: FileEntry) -> Path:
    path = inside(bundle, entry.file, error=ManifestError)
    if not path.is_file():
        raise ManifestError("no such file", where=str(path))
    size = path.stat().st_size
    if size != entry.bytes:
        raise ManifestError(f"expected {entry.bytes} bytes, got {size}", where=str(path))
    return path
