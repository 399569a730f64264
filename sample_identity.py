"""Which sample is this: what two things go by that meet over the same samples.

A sample is known by the SHA-256 of its bytes as they are stored: an image by its file, an array by
its type, shape and numbers. That does not depend on how a model sees it. A bundle, which has only
what its models see, knows a prepared sample by a shorter digest (`input_digests`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .arrays import BoolArray, ByteArray, IntArray, frozen

DigestArray: TypeAlias = NDArray[np.uint64]

HASH_BYTES = 32
HASH_THREADS = 8
INPUT_DIGEST_BYTES = 8


def array_bytes(x: NDArray[Any]) -> bytes:
    """The bytes that stand for an array: its type, shape and numbers."""
    return f"{x.dtype.str}{list(x.shape)}".encode() + np.ascontiguousarray(x).tobytes()


def array_hash(x: NDArray[Any]) -> str:
    """The SHA-256 of an array, as hexadecimal text."""
    return hashlib.sha256(array_bytes(x)).hexdigest()


def sample_hashes(raw: Callable[[int], bytes], n_samples: int) -> ByteArray:
    """The hashes of samples, uint8 [n_samples, 32].

    Args:
        raw: gives the bytes of a sample; threads call it at the same time.
        n_samples: how many there are.
    """
    hashes = np.empty((n_samples, HASH_BYTES), np.uint8)

    def fill(row: int) -> None:
        hashes[row] = np.frombuffer(hashlib.sha256(raw(row)).digest(), np.uint8)

    with ThreadPoolExecutor(HASH_THREADS) as threads:
        for _ in threads.map(fill, range(n_samples)):
            pass
    return frozen(hashes)


def place_hashes(label: IntArray) -> ByteArray:
    """Hashes uint8 [n, 32] of samples of which no more is known than all labels [n] and places."""
    head = hashlib.sha256(label.tobytes()).digest()
    digests = [hashlib.sha256(head + row.to_bytes(8, "big")).digest() for row in range(len(label))]
    return frozen(np.frombuffer(b"".join(digests), np.uint8).reshape(-1, HASH_BYTES).copy())


def input_digests(x: NDArray[Any]) -> DigestArray:
    """A 64-bit digest of each prepared sample of `x` [n, ...]: equal samples, equal digests."""
    size = INPUT_DIGEST_BYTES
    digests = (hashlib.blake2b(sample.tobytes(), digest_size=size).digest() for sample in x)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def is_among(hashes: ByteArray, others: ByteArray) -> BoolArray:
    """Which hashes [n, 32] are among others [m, 32], bool [n]."""
    return np.isin(_as_keys(hashes), _as_keys(others))


def union(first: ByteArray | None, second: ByteArray | None) -> ByteArray | None:
    """All hashes of two sets, sorted, each once; None where both are None."""
    given = [hashes for hashes in (first, second) if hashes is not None]
    return frozen(np.unique(np.concatenate(given), axis=0)) if given else None


def positions(hashes: ByteArray, among: ByteArray) -> NDArray[np.int64]:
    """The first row of `among` [m, 32] with each of `hashes` [n, 32]; -1 where there is none."""
    keys, wanted = _as_keys(among), _as_keys(hashes)
    order = np.argsort(keys, kind="stable")
    found = np.searchsorted(keys, wanted, sorter=order).clip(max=len(keys) - 1)
    rows = order[found]
    return np.where(keys[rows] == wanted, rows, -1).astype(np.int64)


def _as_keys(hashes: ByteArray) -> NDArray[np.void]:
    return np.ascontiguousarray(hashes).view(f"V{HASH_BYTES}").ravel()
