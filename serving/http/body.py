"""Request bodies: limited in size, time and number, and unpacked. Answers: packed."""

from __future__ import annotations

import asyncio
import functools
import gzip
import re
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..protocol.protocol import Refusal

if TYPE_CHECKING:
    from starlette.types import Receive

GZIP_OR_ZLIB_BITS = 32 + zlib.MAX_WBITS
MIN_PACKED_BYTES = 1024
# What is larger is worked on in a thread, so that others do not wait.
LARGE_BYTES = 2**18
UNWANTED = r";\s*q=0(\.0*)?\s*$"
PATIENCE, PATIENCE_S = 2, 1.0


@dataclass(slots=True, kw_only=True)
class BodyLimits:
    """How much a server takes in.

    Args:
        max_bytes: of one body, before and after unpacking.
        max_bytes_together: of all bodies that are being received or answered.
        timeout_s: from the first byte of a body to its last.
    """

    max_bytes: int
    max_bytes_together: int
    timeout_s: float
    _held: int = field(default=0, init=False)

    @contextmanager
    def lease(self) -> Generator[Lease]:
        """Room for one body; it is free again at the end."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            self._held -= lease.n_bytes

    def take(self, n_bytes: int) -> None:
        """Takes room.

        Raises:
            Refusal: there is not so much.
        """
        if self._held + n_bytes > self.max_bytes_together:
            raise Refusal("exhausted", "too many large requests at the same time")
        self._held += n_bytes


class ClientGone(Exception):  # noqa: N818 - nothing is wrong with this program
    """The client hung up before its request was complete."""


class Lease:
    """The room that one body takes, and what of the body has come."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._chunks: list[bytes] = []
        self._n_received = 0
        self._refusal: Refusal | None = None
        self.n_bytes = 0

    @property
    def is_refused(self) -> bool:
        """Whether the body has become too large."""
        return self._refusal is not None

    def add(self, chunk: bytes) -> bool:
        """Keeps a piece of the body; False where it is of no use to read on.

        A body that has become too large is thrown away but read for a while: whoever is
        still sending does not listen for the answer yet.
        """
        self._n_received += len(chunk)
        if self._refusal is None:
            self._chunks.append(chunk)
            try:
                self.grow(len(chunk))
            except Refusal as refusal:
                self._refusal = refusal
                self._chunks.clear()
        return self._n_received <= PATIENCE * self._limits.max_bytes

    def body(self) -> bytes:
        """All that was kept.

        Raises:
            Refusal: it was too much.
        """
        if self._refusal is not None:
            raise self._refusal
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def grow(self, n_bytes: int) -> None:
        """Takes more room.

        Raises:
            Refusal: the body becomes too large, or all bodies together.
        """
        if self.n_bytes + n_bytes > self._limits.max_bytes:
            raise Refusal("too_large", f"a request has at most {self._limits.max_bytes} bytes")
        self.reserve(n_bytes)

    def reserve(self, n_bytes: int) -> None:
        """Takes room for what is made of the body.

        Raises:
            Refusal: all bodies together become too large.
        """
        self._limits.take(n_bytes)
        self.n_bytes += n_bytes


async def read_body(
    headers: Mapping[bytes, bytes], receive: Receive, limits: BodyLimits, lease: Lease
) -> bytes:
    """A request's body, unpacked.

    Raises:
        Refusal: it is too large, too slow, or not packed as its header says.
        ClientGone: the client hung up.
    """
    declared = headers.get(b"content-length", b"0")
    if not declared.isdigit() or int(declared) > PATIENCE * limits.max_bytes:
        raise Refusal("too_large", f"a request has at most {limits.max_bytes} bytes")
    try:
        async with asyncio.timeout(limits.timeout_s) as deadline:
            while await _add_next(receive, lease):
                if lease.is_refused:
                    deadline.reschedule(asyncio.get_running_loop().time() + PATIENCE_S)
    except TimeoutError as cause:
        if not lease.is_refused:
            raise Refusal("too_slow", f"the body took over {limits.timeout_s:g} s") from cause
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    body = lease.body()
    if encoding == "identity":
        return body
    unpack = functools.partial(_unpacked, body, encoding, limits.max_bytes)
    content = await asyncio.to_thread(unpack) if len(body) > LARGE_BYTES else unpack()
    lease.reserve(len(content))
    return content


async def _add_next(receive: Receive, lease: Lease) -> bool:
    """Whether there is more to come, and of any use."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return lease.add(message.get("body", b"")) and message.get("more_body", False)


def packed(body: bytes, accepted: str) -> tuple[bytes, str | None]:
    """A body packed as the header Accept-Encoding wishes, and the name of the packing."""
    if not accepted or len(body) < MIN_PACKED_BYTES:
        return body, None
    wishes = {
        wish.partition(";")[0].strip()
        for wish in accepted.split(",")
        if not re.search(UNWANTED, wish)
    }
    if "gzip" in wishes:
        return gzip.compress(body, compresslevel=1, mtime=0), "gzip"
    if "deflate" in wishes:
        return zlib.compress(body, level=1), "deflate"
    return body, None


def _unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    if encoding not in ("gzip", "deflate"):
        raise Refusal("invalid", f"cannot read the content encoding {encoding!r}")
    unpacker = zlib.decompressobj(GZIP_OR_ZLIB_BITS)
    try:
        content = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as cause:
        raise Refusal("invalid", f"the body is not packed with {encoding}: {cause}") from cause
    if len(content) > max_bytes:
        raise Refusal("too_large", f"a request has at most {max_bytes} bytes unpacked")
    if not unpacker.eof or unpacker.unused_data:
        raise Refusal("invalid", f"the body is not one whole {encoding} stream")
    return content
