"""Compressed pools hold what their layout says: read back number by number."""

import numpy as np
import pytest

from encas.evaluate.compress import compress
from encas.evaluate.contenders import CHUNK, ROUNDING, Contenders
from encas.pools.pool import Pool


def random_pool(
    rng: np.random.Generator, *, n_samples: int, n_classes: int, sharpness: list[float]
) -> Pool:
    label = rng.integers(0, n_classes, n_samples)
    logits = rng.normal(size=(len(sharpness), n_samples, n_classes))
    logits += 1.5 * (np.arange(n_classes) == label[:, None])
    logits *= np.array(sharpness)[:, None, None]
    outputs = np.exp(logits - logits.max(axis=2, keepdims=True))
    outputs /= outputs.sum(axis=2, keepdims=True)
    costs = {"macs": np.arange(1.0, len(sharpness) + 1)}
    return Pool.of(outputs=outputs.astype(np.float32), label=label, costs=costs)


def classes_at(contenders: Contenders, place: int) -> list[int]:
    """The classes of the sample at a place, slot after slot, with the empty slots."""
    chunk, t = divmod(place, CHUNK)
    start = contenders.start
    return contenders.classes[start[chunk] : start[chunk + 1]].reshape(-1, CHUNK)[:, t].tolist()


def values_at(contenders: Contenders, place: int, model: int) -> np.ndarray:
    """The numbers of a model and of the sample at a place, by the layout in `Contenders`."""
    chunk, t = divmod(place, CHUNK)
    start, block = contenders.start, contenders.block
    first = chunk // block * block
    last = min(first + block, contenders.n_chunks)
    begin = (
        start[first] * contenders.n_models
        + (start[last] - start[first]) * model
        + (start[chunk] - start[first])
    )
    size = start[chunk + 1] - start[chunk]
    return contenders.values[begin : begin + size].reshape(-1, CHUNK)[:, t]


def flat_row_of(contenders: Contenders, place: int, model: int) -> int:
    chunk, t = divmod(place, CHUNK)
    flat = contenders.flat_chunk[chunk]
    return -1 if flat < 0 else int(contenders.flat_row[flat, model, t])


def check(contenders: Contenders, pool: Pool) -> None:
    assert sorted(contenders.sample) == list(range(pool.n_samples))
    assert contenders.label.tolist() == pool.label[contenders.sample].tolist()
    outputs = np.stack([pool.probabilities(m) for m in range(pool.n_models)])
    n_flat = 0
    for place, sample in enumerate(contenders.sample):
        classes = classes_at(contenders, place)
        n = len(classes) - classes.count(-1)
        assert classes[n:] == [-1] * (len(classes) - n)
        assert classes[0] == pool.label[sample]
        assert classes[1:n] == sorted(set(classes[1:n]) - {classes[0]})
        for m in range(pool.n_models):
            values = values_at(contenders, place, m)
            np.testing.assert_array_equal(values[:n], outputs[m, sample, classes[:n]])
            assert (values[n:] == -1).all()
            row = flat_row_of(contenders, place, m)
            if row >= 0:
                np.testing.assert_array_equal(contenders.flat_values[row], outputs[m, sample])
                n_flat += 1
    assert n_flat == len(contenders.flat_values)


@pytest.mark.parametrize("n_samples", [1, 63, 64, 65, 2200])
def test_compress_any_number_of_samples_holds_their_numbers(rng, n_samples):
    pool = random_pool(rng, n_samples=n_samples, n_classes=5, sharpness=[1.0, 3.0])
    contenders = compress(pool, max_members=2)
    assert contenders.n_chunks == -(-n_samples // CHUNK)
    assert contenders.block == (2 if n_samples == 2200 else 1)
    check(contenders, pool)


def test_compress_of_few_classes_keeps_those_that_a_cascade_could_choose(rng):
    pool = random_pool(rng, n_samples=70, n_classes=12, sharpness=[1.0, 2.0, 4.0])
    contenders = compress(pool, max_members=3)
    outputs = np.stack([pool.probabilities(m) for m in range(3)]).astype(np.float64)
    hopeful = (outputs >= outputs.max(axis=2, keepdims=True) / (3 * ROUNDING)).any(axis=0)
    for place, sample in enumerate(contenders.sample):
        expected = set(np.flatnonzero(hopeful[sample])) | {pool.label[sample]}
        assert set(classes_at(contenders, place)) - {-1} == expected
    assert len(contenders.flat_values) == 0


def test_compress_puts_the_easy_samples_first(rng):
    pool = random_pool(rng, n_samples=150, n_classes=8, sharpness=[1.0, 4.0])
    contenders = compress(pool, max_members=2)
    n = [sum(c >= 0 for c in classes_at(contenders, place)) for place in range(150)]
    sure = np.mean([pool.probabilities(m).max(axis=1) for m in range(2)], axis=0, dtype=float)
    keys = list(zip(n, -sure[contenders.sample], strict=True))
    assert keys == sorted(keys)
    assert len(set(n)) > 2


def test_compress_in_small_blocks_gives_the_same(rng, monkeypatch):
    pool = random_pool(rng, n_samples=100, n_classes=60, sharpness=[3.0, 4.0, 0.01])
    whole = compress(pool, max_members=2)
    monkeypatch.setattr("encas.evaluate.compress.BLOCK_BYTES", 4 * 3 * 60 * 7)
    pieces = compress(pool, max_members=2)
    assert len(whole.flat_values)
    for name in ("sample", "label", "values", "start", "classes", "flat_chunk", "flat_row"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))
    check(pieces, pool)


def test_compress_of_one_flat_model_among_many_stores_its_rows_alone(rng):
    pool = random_pool(rng, n_samples=64, n_classes=1000, sharpness=[8.0] * 9 + [0.0])
    contenders = compress(pool, max_members=5)
    assert len(contenders.flat_values) == 64
    assert contenders.widest < 50
    check(contenders, pool)


def test_compress_of_uniform_models_stores_no_more_than_the_dense_outputs():
    outputs = np.full((4, 10, 100), 0.01, np.float32)
    pool = Pool.of(outputs=outputs, label=np.arange(10), costs={"macs": np.arange(1.0, 5)})
    contenders = compress(pool, max_members=3)
    per_sample = len(contenders.flat_values) * 100 // 10 + 4 * contenders.widest
    assert per_sample <= 4 * 100


def test_compress_makes_its_arrays_where_it_is_told(tiny_pool):
    made = {}

    def allocate(name, shape, dtype):
        made[name] = np.empty(shape, dtype)
        return made[name]

    contenders = compress(tiny_pool, max_members=2, allocate=allocate)
    assert set(made) == {
        "start", "values", "classes", "flat_chunk", "flat_row", "sample", "label", "flat_values",
    }  # fmt: skip
    assert all(getattr(contenders, name) is array for name, array in made.items())
