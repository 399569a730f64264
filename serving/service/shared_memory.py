"""System shared memory regions that clients register, as Triton's extension has them.

Regions are read and written through their file, never mapped: a client that shortens its region
would take a server down that has it mapped.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..protocol.protocol import Refusal, RegionSlice

FOLDER = Path("/dev/shm")
MAX_REGIONS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A registered region: `byte_size` bytes from `offset` on in the object `key`."""

    name: str
    key: str
    offset: int
    byte_size: int


class SharedMemory:
    """The regions of one server.

    Args:
        is_allowed: whether clients may register regions at all.
    """

    def __init__(self, *, is_allowed: bool) -> None:
        self._is_allowed = is_allowed
        self._regions: dict[str, tuple[Region, int]] = {}

    def register(self, region: Region) -> None:
        """Opens a region.

        Raises:
            Refusal: regions are not allowed, the name is taken, or there is no such object.
        """
        if not self._is_allowed:
            raise Refusal(
                "unsupported",
                "shared memory is only for clients on the same machine; "
                "this server listens to others, too",
            )
        if region.name in self._regions:
            raise Refusal("invalid", f"shared memory region {region.name!r} is already registered")
        if len(self._regions) >= MAX_REGIONS:
            raise Refusal("exhausted", f"more than {MAX_REGIONS} shared memory regions")
        self._regions[region.name] = (region, _opened(region))

    def unregister(self, name: str = "") -> None:
        """Forgets a region, or all of them; one that is not there is forgotten already."""
        for each in [name] if name else list(self._regions):
            if each in self._regions:
                os.close(self._regions.pop(each)[1])

    def status(self, name: str = "") -> list[dict[str, Any]]:
        """The region of a name, or all of them.

        Raises:
            Refusal: there is no region of that name.
        """
        if name:
            return [asdict(self._region(name)[0])]
        return [asdict(region) for region, _ in self._regions.values()]

    def read(self, place: RegionSlice) -> bytes:
        """The bytes at a place.

        Raises:
            Refusal: the region is not registered, or ends before the place does.
        """
        file, start = self._place(place)
        content = os.pread(file, place.byte_size, start)
        if len(content) != place.byte_size:
            raise Refusal("invalid", f"shared memory region {place.region!r} has become shorter")
        return content

    def write(self, place: RegionSlice, content: bytes) -> None:
        """Puts bytes to a place.

        Raises:
            Refusal: the region is not registered, or the place too small.
        """
        file, start = self._place(place)
        if len(content) > place.byte_size:
            raise Refusal(
                "invalid",
                f"the output needs {len(content)} bytes, shared memory region {place.region!r} "
                f"offers {place.byte_size}",
            )
        os.pwrite(file, content, start)

    def _region(self, name: str) -> tuple[Region, int]:
        if name not in self._regions:
            raise Refusal("not_found", f"unable to find shared memory region: {name!r}")
        return self._regions[name]

    def _place(self, place: RegionSlice) -> tuple[int, int]:
        region, file = self._region(place.region)
        is_inside = min(place.offset, place.byte_size) >= 0
        if not is_inside or place.offset + place.byte_size > region.byte_size:
            raise Refusal(
                "invalid",
                f"{place.byte_size} bytes at {place.offset} do not lie in shared memory region "
                f"{region.name!r} of {region.byte_size} bytes",
            )
        return file, region.offset + place.offset


def _opened(region: Region) -> int:
    name = region.key.removeprefix("/")
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,255}", name) or name.strip(".") == "":
        raise Refusal("invalid", f"no shared memory object can have the key {region.key!r}")
    if region.offset < 0 or region.byte_size < 1:
        raise Refusal("invalid", "the region must start at 0 or later and hold at least a byte")
    try:
        file = os.open(FOLDER / name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as cause:
        message = f"unable to open shared memory object {region.key!r}: {cause.strerror}"
        raise Refusal("invalid", message) from cause
    found = os.fstat(file)
    size = found.st_size if stat.S_ISREG(found.st_mode) else 0
    if region.offset + region.byte_size > size:
        os.close(file)
        raise Refusal(
            "invalid",
            f"shared memory object {region.key!r} has {size} bytes, the region ends at "
            f"{region.offset + region.byte_size}",
        )
    return file
