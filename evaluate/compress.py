# numba infers the types of compiled functions.
# pyright: reportMissingParameterType=false
# ruff: noqa: PLR0913, PLR0917 - compiled functions take their arrays one by one
"""Compresses a pool to its contenders, block by block; the dense outputs are never held."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import DoubleArray, FloatArray, IntArray
from ..pools.pool import Pool
from ..pools.pool_check import check_outputs
from .compiled import compiled
from .contenders import CHUNK, ContenderChoice, Contenders, block_of, choose

BLOCK_BYTES = 128 * 2**20
# Makes an array to be filled: in memory, or mapped to a file.
Allocate: TypeAlias = Callable[[str, tuple[int, ...], type], NDArray]


def in_memory(_name: str, shape: tuple[int, ...], dtype: type) -> NDArray:
    """An empty array in memory."""
    return np.empty(shape, dtype)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Records:
    """The contenders of all samples in the pool's order, before they are sorted into chunks.

    Args:
        classes: int64 [sum of n_contenders].
        n_contenders: int64 [n_samples].
        confidence: float64 [n_samples], the mean over the models of their `top`.
        values: float32 [sum of n_contenders * n_models], for each sample [n_contenders, n_models].
        flat_sample, flat_model: int64 [n_flat], whose the rows of `flat_values` are.
        flat_values: float32 [n_flat, n_classes].
    """

    classes: IntArray
    n_contenders: IntArray
    confidence: DoubleArray
    values: FloatArray
    flat_sample: IntArray
    flat_model: IntArray
    flat_values: FloatArray


def compress(
    pool: Pool, *, max_members: int, rank: int = 1, allocate: Allocate = in_memory
) -> Contenders:
    """The contenders of a pool for cascades of at most `max_members` members.

    Args:
        pool: read once, in blocks of samples.
        max_members: K.
        rank: 1 keeps the largest mean exact, 2 the second-largest, too.
        allocate: makes the arrays of the result.

    Raises:
        PoolError: stored outputs are not those that were hashed.
    """
    check_outputs(pool)
    with tempfile.TemporaryFile() as values, tempfile.TemporaryFile() as flats:
        records = _read(pool, max_members, rank, values, flats)
        return _assemble(pool, records, max_members, rank, allocate)


def _read(pool: Pool, max_members: int, rank: int, values: IO[bytes], flats: IO[bytes]) -> Records:
    n_rows = _rows_per_block(pool.n_models, pool.n_classes)
    outputs = np.empty((pool.n_models, min(n_rows, pool.n_samples), pool.n_classes), np.float32)
    parts: list[tuple[NDArray, ...]] = []
    for first in range(0, pool.n_samples, n_rows):
        rows = slice(first, min(first + n_rows, pool.n_samples))
        block = outputs[:, : rows.stop - first]
        for m in range(pool.n_models):
            block[m] = pool.probabilities(m, rows)
        choice = choose(block, pool.label[rows], max_members=max_members, rank=rank)
        classes, numbers = _gathered(block, choice)
        numbers.tofile(values)
        flat_model, flat_sample = np.nonzero(choice.top < choice.level)
        block[flat_model, flat_sample].tofile(flats)
        confidence = choice.top.mean(axis=0, dtype=np.float64)
        parts.append((classes, choice.n_contenders, confidence, flat_sample + first, flat_model))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Records(
        classes=joined[0],
        n_contenders=joined[1],
        confidence=joined[2],
        flat_sample=joined[3],
        flat_model=joined[4],
        values=_mapped(values),
        flat_values=_mapped(flats).reshape(-1, pool.n_classes),
    )


def _rows_per_block(n_models: int, n_classes: int) -> int:
    fitting = max(1, BLOCK_BYTES // (4 * n_models * n_classes))
    return 1 << (min(fitting, 4096).bit_length() - 1)


def _mapped(file: IO[bytes]) -> FloatArray:
    file.flush()
    if file.tell() == 0:
        return np.empty(0, np.float32)
    return np.memmap(file, np.float32, mode="r")


def _gathered(block: FloatArray, choice: ContenderChoice) -> tuple[IntArray, FloatArray]:
    n_models = len(block)
    classes = np.empty(choice.n_contenders.sum(), np.int64)
    values = np.empty(len(classes) * n_models, np.float32)
    _gather(block, choice.classes, choice.n_contenders, classes, values)
    return classes, values


@compiled
def _gather(block, chosen, n_contenders, classes, values):
    n_models = len(block)
    place = 0
    for i in range(len(chosen)):
        for k in range(n_contenders[i]):
            c = chosen[i, k]
            classes[place] = c
            for m in range(n_models):
                values[place * n_models + m] = block[m, i, c]
            place += 1


def _assemble(
    pool: Pool, records: Records, max_members: int, rank: int, allocate: Allocate
) -> Contenders:
    n_models, n_samples = pool.n_models, pool.n_samples
    # Easy samples first: whole chunks of them leave a cascade early.
    order = np.lexsort((-records.confidence, records.n_contenders))
    n_chunks = -(-n_samples // CHUNK)
    last = np.minimum(np.arange(1, n_chunks + 1) * CHUNK, n_samples) - 1
    width = records.n_contenders[order[last]]
    start = allocate("start", (n_chunks + 1,), np.int64)
    start[:] = np.concatenate(([0], np.cumsum(width))) * CHUNK
    values = allocate("values", (int(start[-1]) * n_models,), np.float32)
    classes = allocate("classes", (int(start[-1]),), np.int64)
    first = np.concatenate(([0], np.cumsum(records.n_contenders)[:-1]))
    block = block_of(n_chunks)
    _fill(
        n_models,
        block,
        order,
        first,
        records.n_contenders,
        records.classes,
        records.values,
        np.asarray(start),
        classes,
        values,
    )
    flat_chunk, flat_row = _flat_places(records, order, n_models, allocate)
    return Contenders(
        n_models=n_models,
        n_classes=pool.n_classes,
        max_members=max_members,
        rank=rank,
        block=block,
        sample=_copied("sample", order, allocate),
        label=_copied("label", pool.label[order], allocate),
        values=values,
        start=start,
        classes=classes,
        flat_chunk=flat_chunk,
        flat_row=flat_row,
        flat_values=_copied("flat_values", records.flat_values, allocate),
    )


@compiled
def _fill(
    n_models, block, order, first, n_contenders, record_classes, records, start, classes, values
):
    classes[:] = -1
    values[:] = -1
    for i in range(len(order)):
        chunk, t, n = i // CHUNK, i % CHUNK, n_contenders[order[i]]
        block_start = start[chunk // block * block]
        block_size = start[min(len(start) - 1, (chunk // block + 1) * block)] - block_start
        base = block_start * n_models + start[chunk] - block_start + t
        source = first[order[i]]
        for k in range(n):
            classes[start[chunk] + k * CHUNK + t] = record_classes[source + k]
            for m in range(n_models):
                values[base + m * block_size + k * CHUNK] = records[(source + k) * n_models + m]


def _flat_places(
    records: Records, order: IntArray, n_models: int, allocate: Allocate
) -> tuple[IntArray, IntArray]:
    n_chunks = -(-len(order) // CHUNK)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    places = place[records.flat_sample]
    chunks = np.unique(places // CHUNK)
    flat_chunk = allocate("flat_chunk", (n_chunks,), np.int64)
    flat_chunk[:] = -1
    flat_chunk[chunks] = np.arange(len(chunks))
    flat_row = allocate("flat_row", (len(chunks), n_models, CHUNK), np.int64)
    flat_row[:] = -1
    rows = np.arange(len(places))
    flat_row[flat_chunk[places // CHUNK], records.flat_model, places % CHUNK] = rows
    return flat_chunk, flat_row


def _copied(name: str, array: NDArray, allocate: Allocate) -> NDArray:
    copy = allocate(name, array.shape, array.dtype.type)
    copy[:] = array
    return copy
