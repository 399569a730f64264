import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from encas.data.open_source import open_source
from encas.data.preprocessing import Preprocessing
from encas.errors import DataError
from encas.nat.sample_table import SampleTable, split_rows, table_of

STEPS = Preprocessing(size=(2, 2), mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))


def source_of(folder, x):
    np.savez(folder / "x.npz", x=x, label=np.arange(len(x)) % 2)
    return open_source(f"npz:{folder / 'x.npz'}")


def test_pixels_stay_bytes_and_are_normalised_batch_by_batch(tmp_path):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3) * 10
    table = table_of(source_of(tmp_path, pixels), STEPS)
    assert (table.x.dtype, table.shape, table.n_samples) == (torch.uint8, (3, 2), 2)
    expected = (pixels.astype(np.float32) / 255 - np.array(STEPS.mean)) / np.array(STEPS.std)
    batch = table.batch(torch.tensor([1, 0, 1]))
    np.testing.assert_allclose(batch, expected.transpose(0, 3, 1, 2)[[1, 0, 1]], atol=1e-6)
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_samples_come_as_they_are(tmp_path, rng):
    x = rng.random((3, 2, 4, 4)).astype(np.float32)
    table = table_of(source_of(tmp_path, x), STEPS)
    assert (table.preprocessing, table.n_classes, table.shape) == (None, 2, (2, 4))
    assert np.array_equal(table.batch(torch.tensor([2, 1])), x[[2, 1]])
    assert table.label.tolist() == [0, 1, 0]


def test_images_without_a_preprocessing_are_refused(tmp_path):
    with pytest.raises(DataError, match="images need a preprocessing"):
        table_of(source_of(tmp_path, np.zeros((2, 4, 4, 3), np.uint8)), None)


@pytest.mark.parametrize("shape", [(1, 4, 5), (4,), (4, 4)])
def test_samples_that_are_no_squares_are_refused(tmp_path, shape):
    source = source_of(tmp_path, np.zeros((2, *shape), np.float32))
    got = ", ".join(map(str, shape))
    with pytest.raises(DataError, match=rf"\[channels, side, side\], got \[{got}\]"):
        table_of(source, None)


@pytest.mark.parametrize(("size", "lengths"), [(2, [2, 2, 1]), (5, [5]), (9, [5])])
def test_batches_are_all_samples_in_order(size, lengths):
    x = torch.arange(5.0).view(5, 1, 1, 1)
    table = SampleTable(x=x, label=torch.zeros(5), n_classes=1, preprocessing=None)
    batches = list(table.batches(size))
    assert [len(batch) for batch in batches] == lengths
    assert torch.equal(torch.cat(batches), x)


def test_table_on_a_device_holds_the_same_samples(tmp_path):
    table = table_of(source_of(tmp_path, np.full((2, 2, 2, 3), 255, np.uint8)), STEPS)
    moved = table.to(torch.device("cpu"))
    assert torch.equal(moved.batch(torch.arange(2)), table.batch(torch.arange(2)))
    assert (moved.n_classes, moved.preprocessing) == (2, STEPS)
    assert table.to(torch.device("meta")).x.is_meta


@pytest.mark.parametrize(("share", "n_search"), [(0.25, 2), (0.5, 4), (0.1, 1)])
def test_first_of_the_order_are_searched_on_and_the_others_trained_on(share, n_search):
    order = np.array([5, 2, 7, 0, 1, 3, 6, 4])
    train, search = split_rows(np.zeros(8, np.int64), order, share)
    assert search.tolist() == sorted(order[:n_search].tolist())
    assert train.tolist() == sorted(order[n_search:].tolist())
