"""Files as this package treats them: written atomically, hashed, size-limited, confined.

Nothing here knows a format; errors are raised as the class that the caller names.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias, cast

from .errors import EncasError

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None"

MAX_JSON_BYTES = 256 * 2**20
# What `new_file` calls its temporary files: a dot, the file's name, and eight letters of mkstemp.
UNFINISHED = re.compile(r"\..+\.[a-z0-9_]{8}")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes a file such that it is there whole or not at all, whatever interrupts."""
    with new_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def new_file(path: Path) -> Generator[Path]:
    """Gives a temporary sibling to fill that takes `path`'s place on success and vanishes else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        yield temporary
        os.fsync(handle)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def unfinished_files(folder: Path) -> list[Path]:
    """The temporary siblings that `new_file` left in a folder because its process was killed."""
    hidden = folder.glob(".*")
    return [file for file in hidden if UNFINISHED.fullmatch(file.name) and file.is_file()]


def json_text(value: Json) -> str:
    """JSON with two-space indents and a final newline; NaN and infinities are refused."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read_json(path: Path, *, error: type[EncasError], max_bytes: int = MAX_JSON_BYTES) -> Json:
    """Reads a JSON file, refusing one that is missing, too large or not JSON."""
    if not path.is_file():
        raise error("no such file", where=str(path))
    size = path.stat().st_size
    if size > max_bytes:
        raise error(f"expected at most {max_bytes} bytes, got {size}", where=str(path))
    return parsed_json(path.read_bytes(), error=error, where=str(path))


def parsed_json(text: str | bytes, *, error: type[EncasError], where: str) -> Json:
    """What JSON says; NaN, infinities and keys that come twice in an object are refused."""
    try:
        parsed = json.loads(
            text.decode("utf-8") if isinstance(text, bytes) else text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=distinct_keys,
        )
        return cast(Json, parsed)
    except (ValueError, RecursionError) as cause:
        raise error(f"not a JSON file: {cause}", where=where) from cause


def distinct_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object of JSON whose keys all differ; a hook of `json.loads`.

    Raises:
        ValueError: a key comes twice: readers disagree which of the two values counts.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the key {twice!r} comes twice in one object")
    return found


@contextmanager
def new_folder(path: Path, *, error: type[EncasError], overwrite: bool = False) -> Generator[Path]:
    """Fills a temporary sibling of `path` that takes its place on success and vanishes otherwise.

    Raises:
        error: `path` exists and `overwrite` is false.
    """
    if path.exists() and not overwrite:
        raise error(
            "already exists; give another path, or --overwrite to replace it", where=str(path)
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        _replace_folder(path, temporary)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def inside(folder: Path, relative: str, *, error: type[EncasError]) -> Path:
    """The path of `relative` in `folder`, refusing whatever leads or points out of it."""
    parts = relative.split("/")
    absolute = relative.startswith("/") or "\\" in relative or ":" in relative
    is_text = "\0" not in relative and not any("\ud800" <= c <= "\udfff" for c in relative)
    if absolute or not is_text or any(part in ("", ".", "..") for part in parts):
        raise error(f"expected a relative path inside the folder, got {relative!r}")
    path = folder.joinpath(*parts)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise error(f"expected a file inside the folder, got a link out of it: {relative!r}")
    return path


def _replace_folder(path: Path, new: Path) -> None:
    if not path.exists():
        new.rename(path)
        return
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
    path.rename(old / path.name)
    new.rename(path)
    shutil.rmtree(old)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large a number")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
