import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.given_arrays import pool_of_arrays


@pytest.fixture
def arrays(tiny_pool) -> dict[str, np.ndarray]:
    return {
        "outputs": np.stack(tiny_pool.outputs),
        "label": tiny_pool.label,
        "name": np.array(tiny_pool.names),
        "macs": tiny_pool.costs("macs"),
    }


def made(arrays, **options):
    return pool_of_arrays(arrays, **{"name": "given", "where": "in.npz"} | options)


def test_bytes_are_texts_and_any_byte_order_is_read(arrays, tiny_pool):
    odd = {
        "outputs": arrays["outputs"].astype(">f4"),
        "label": arrays["label"].astype(">i2"),
        "name": np.char.encode(arrays["name"]),
        "macs": arrays["macs"].astype(">f8"),
        "classes": np.array(["ä".encode(), b"b", b"c"]),
    }
    pool = made(odd)
    assert (pool.names, pool.classes) == (tiny_pool.names, ("ä", "b", "c"))
    assert made(arrays).sha256 == pool.sha256


def test_bytes_that_are_no_text_are_refused(arrays):
    with pytest.raises(PoolError, match="name holds bytes that are not UTF-8"):
        made(arrays | {"name": np.array([b"\xe4", b"b", b"c"])})


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (np.eye(3)[[0, 1, 1, 0, 2, 2, 1, 2]], "in.npz: the labels are one-hot"),
        (np.array([0, 1, 1, 0, 2, 2, 1, 2.0]), ""),
        (np.array([[0], [1], [1], [0], [2], [2], [1], [2]]), ""),
        (np.array(["x", "y", "y", "x", "z", "z", "y", "z"]), ""),
    ],
)
def test_labels_are_read_as_others_write_them(arrays, tiny_pool, label, said):
    notes = []
    pool = made(arrays | {"label": label, "classes": np.array(["x", "y", "z"])},
                on_note=notes.append)  # fmt: skip
    assert np.array_equal(pool.label, tiny_pool.label)
    assert said in " ".join(notes)
    assert bool(notes) == bool(said)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"label": np.full((8, 3), 1)}, r"or one-hot \[N, C\], got \[8, 3\]"),
        ({"label": np.array(["x"] * 8)}, "the labels are names; give the array 'classes'"),
        ({"label": np.array(["q"] * 8), "classes": np.array(["x", "y", "z"])},
         "8|1 labels are none of the classes"),
        ({"label": np.full(8, 0.5)}, "label must be integers"),
        ({"label": np.array([1, 2, 3, 1, 1, 1, 1, 1])}, "seem to count from 1: subtract 1"),
        ({"outputs": np.zeros((3, 8, 3), np.int8)}, r"whole numbers \(int8\), which do not say"),
        ({"outputs": np.full((3, 8, 3), -np.inf, np.float32), "kind": np.array(["logits"] * 3)},
         "infinity in 8 of 8 rows; .*; for a class that is never meant, store a low logit"),
        ({"outputs": np.full((3, 8, 3), np.nan)}, "cheap: NaN in 8 of 8 rows"),
        ({"outputs": []}, "at least one model, got none"),
    ],
)  # fmt: skip
def test_arrays_that_cannot_be_used_are_answered_with_the_remedy(arrays, change, match):
    with pytest.raises(PoolError, match=match):
        made(arrays | change)


def test_costs_of_a_table_may_bring_the_macs(arrays):
    del arrays["macs"]
    with pytest.raises(PoolError, match=r"'macs' is missing; give it, or --costs FILE.csv"):
        made(arrays)
    costs = {"cheap": {"macs": 1.0}, "middle": {"macs": 2.0}, "dear": {"macs": 3.0, "joules": 4.0}}
    pool = made(arrays, costs=costs)
    assert pool.costs("macs").tolist() == [1.0, 2.0, 3.0]
    assert pool["dear"].costs["joules"] == 4.0


def test_temperatures_are_kept(arrays):
    pool = made(arrays | {"temperature": np.array([1.0, 2.0, 3.0])})
    assert [model.temperature for model in pool.models] == [1.0, 2.0, 3.0]
