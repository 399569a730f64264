"""Data and parts of pools over the same samples."""

import re
from dataclasses import replace

import numpy as np
import pytest

from encas.data.open_data import open_data
from encas.data.open_source import open_source
from encas.errors import DataError
from encas.jobs.joined_data import joined_data
from encas.pools.pool import Pool
from encas.pools.pool_split import split_pool


@pytest.fixture
def whole(loop):
    """The loop's pool with the hashes that a build stores."""
    samples = open_source(loop.data).sample_hashes()
    return replace(Pool.load(loop.pool), samples=samples, path=None)


def agrees(joined) -> bool:
    """Whether each sample of the data stands at its own row of the pool."""
    logits = joined.dataset.samples(np.arange(joined.dataset.n_samples))
    every = joined.pool.probabilities(0, joined.rows)
    return len(logits) == len(every) and np.array_equal(
        joined.dataset.label, joined.pool.label[joined.rows]
    )


def test_part_of_a_pool_is_joined_with_all_of_the_data(loop, whole):
    parts = split_pool(whole, search=0.5, selection=0.25, test=0.25)
    data, notes = open_data(loop.data), []
    for part in parts.values():
        joined = joined_data(data, part, is_whole=True, on_note=notes.append)
        assert joined.rows.tolist() == list(range(part.n_samples))
        assert agrees(joined)
    assert notes == []


def test_part_of_an_imported_pool_is_joined_by_the_whole_ones_places(loop):
    stored = Pool.load(loop.pool)
    costs = {"macs": [1, 2, 3]}
    parts = split_pool(Pool.of(outputs=stored.outputs, label=stored.label, costs=costs))
    joined = joined_data(open_data(loop.data), parts["test"], is_whole=True)
    assert agrees(joined)
    assert joined.dataset.n_samples == parts["test"].n_samples


def test_data_that_hold_some_of_the_samples_are_joined_where_that_is_enough(loop, whole, tmp_path):
    with np.load(tmp_path / "data.npz") as arrays:
        np.savez(tmp_path / "some.npz", x=arrays["x"][40:], label=arrays["label"][40:])
    data, notes = open_data(f"npz:{tmp_path / 'some.npz'}"), []
    joined = joined_data(data, whole, on_note=notes.append)
    assert joined.rows.tolist() == list(range(40, 60))
    assert notes == [f"20 of 60 samples of pool linear are in npz:{tmp_path / 'some.npz'}"]
    with pytest.raises(DataError, match="only 20 of its 60 samples are among these 20"):
        joined_data(data, whole, is_whole=True)


def test_data_with_another_label_for_a_sample_are_refused(loop, whole, tmp_path):
    with np.load(tmp_path / "data.npz") as arrays:
        label = arrays["label"].copy()
        label[7] = (label[7] + 1) % 4
        np.savez(tmp_path / "other.npz", x=arrays["x"], label=label)
    with pytest.raises(DataError, match="1 of the 60 samples .* have another label there"):
        joined_data(open_data(f"npz:{tmp_path / 'other.npz'}"), whole)


def test_data_of_equal_labels_and_other_samples_are_taken_and_it_is_said(loop, whole, tmp_path):
    with np.load(tmp_path / "data.npz") as arrays:
        np.savez(tmp_path / "other.npz", x=arrays["x"] + 1, label=arrays["label"])
    notes = []
    joined = joined_data(open_data(f"npz:{tmp_path / 'other.npz'}"), whole, on_note=notes.append)
    assert agrees(joined)
    assert re.search("no sample of pool linear by its hash, but all of its labels", notes[0])


def test_limit_takes_a_seeded_part_with_the_classes_shares(loop, whole):
    joined = joined_data(open_data(loop.data), whole)
    part = joined.limited(20, seed=3)
    assert agrees(part)
    assert part.rows.tolist() == joined.limited(20, seed=3).rows.tolist()
    assert part.rows.tolist() != joined.limited(20, seed=4).rows.tolist()
    shares = np.bincount(part.dataset.label, minlength=4) * 3
    assert abs(shares - np.bincount(whole.label, minlength=4)).max() <= 3
    assert joined.limited(None, seed=0).rows.tolist() == joined.limited(99, seed=0).rows.tolist()
    assert part.evidence(("large",)).outputs(0, np.arange(2)).shape == (2, 4)
