import zipfile

import numpy as np
import pytest

from encas.data import plain_data
from encas.data.open_data import open_data
from encas.data.preprocessing import Preprocessing
from encas.errors import DataError

SMALL = Preprocessing(size=(4, 4), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def npz(tmp_path, **arrays) -> str:
    np.savez(tmp_path / "x.npz", **arrays)
    return f"npz:{tmp_path / 'x.npz'}"


def test_data_of_float_samples_is_as_it_lies_there(tmp_path, rng):
    x = rng.normal(size=(5, 2, 3)).astype(np.float32)
    opened = open_data(npz(tmp_path, x=x, label=np.arange(5)))
    assert (opened.n_samples, opened.sample_shape, opened.dtype) == (5, (2, 3), "float32")
    assert np.array_equal(opened.samples(np.array([3, 0])), x[[3, 0]])
    assert np.array_equal(opened.batch(np.array([4])), x[[4]])
    assert opened.label.dtype == np.int64
    assert opened.name.startswith("npz:")


def test_data_of_double_samples_becomes_float32(tmp_path):
    opened = open_data(npz(tmp_path, x=np.ones((2, 3)), label=np.zeros(2, np.uint8)))
    assert opened.samples(np.arange(2)).dtype == np.float32


def test_data_of_images_is_preprocessed_when_there_is_how(tmp_path, rng):
    x = rng.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    data = npz(tmp_path, x=x, label=np.arange(3))
    plain, made = open_data(data), open_data(data, preprocessing=SMALL)
    assert (plain.dtype, plain.sample_shape) == ("uint8", (8, 8, 3))
    assert (made.dtype, made.sample_shape) == ("float32", (3, 4, 4))
    assert made.samples(np.arange(2)).shape == (2, 3, 4, 4)


def test_data_of_image_files_without_a_preprocessing_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"images need a preprocessing: give --preprocessing"):
        open_data(str(tmp_path))


def test_data_of_samples_with_a_preprocessing_is_refused(tmp_path):
    data = npz(tmp_path, x=np.ones((2, 3), np.float32), label=np.arange(2))
    for text in (data, "digits"):
        with pytest.raises(DataError, match="these are samples, not images"):
            open_data(text, preprocessing=SMALL)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones((2, 3))}, "the array 'label' is missing"),
        ({"label": np.arange(2)}, "the array 'x' is missing"),
        (
            {"x": np.ones((2, 8, 8), np.uint8), "label": np.arange(2)},
            r"x of type uint8 must be \[N, H, W, 3\], got \[2, 8, 8\]",
        ),
        ({"x": np.ones((2, 3), np.int64), "label": np.arange(2)}, "x must be uint8 .* or float"),
        ({"x": np.ones(2), "label": np.arange(2)}, "x must be uint8 .* or float"),
        (
            {"x": np.full((2, 3), np.nan), "label": np.arange(3)},
            r"2 faults: x has values that are NaN or infinite; label must be integers \[2\]",
        ),
        ({"x": np.ones((2, 3)), "label": np.ones(2)}, "label must be integers"),
        ({"x": np.ones((2, 3)), "label": np.array([0, -1])}, "label must not be negative, got -1"),
        ({"x": np.ones((0, 3)), "label": np.arange(0)}, "there are no samples"),
    ],
)
def test_data_of_arrays_with_faults_is_refused(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        open_data(npz(tmp_path, **arrays))


def test_data_of_a_file_that_is_no_npz_of_arrays_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        open_data(f"npz:{tmp_path / 'none.npz'}")
    path = tmp_path / "x.npz"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"not an \.npz file of plain arrays"):
        open_data(f"npz:{path}")
    np.savez(path, x=np.array([{"a": 1}], dtype=object), label=np.arange(1))
    with pytest.raises(DataError, match=r"not an \.npz file of plain arrays"):
        open_data(f"npz:{path}")


def test_data_of_an_npz_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_data, "MAX_NPZ_BYTES", 10_000)
    np.savez_compressed(
        tmp_path / "x.npz", x=np.zeros((100, 100), np.float32), label=np.arange(100)
    )
    with pytest.raises(DataError, match="expected at most 10000 bytes, got"):
        open_data(f"npz:{tmp_path / 'x.npz'}")


def test_data_of_an_npz_of_just_the_largest_size_is_read(tmp_path, monkeypatch):
    text = npz(tmp_path, x=np.zeros((4, 2), np.float32), label=np.arange(4))
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        n_bytes = sum(entry.file_size for entry in archive.infolist())
    monkeypatch.setattr(plain_data, "MAX_NPZ_BYTES", n_bytes)
    assert open_data(text).n_samples == 4
    monkeypatch.setattr(plain_data, "MAX_NPZ_BYTES", n_bytes - 1)
    with pytest.raises(DataError, match=f"expected at most {n_bytes - 1} bytes, got {n_bytes}"):
        open_data(text)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_data_of_bytes_is_images_of_one_or_three_channels(tmp_path, n_channels):
    x = np.zeros((2, 4, 5, n_channels), np.uint8)
    opened = open_data(npz(tmp_path, x=x, label=np.arange(2), other=np.ones(3)))
    assert (opened.sample_shape, opened.classes) == ((4, 5, n_channels), None)


def test_data_of_bytes_with_other_channels_is_refused(tmp_path):
    x = np.zeros((2, 4, 5, 2), np.uint8)
    with pytest.raises(DataError, match=r"must be \[N, H, W, 3\], got \[2, 4, 5, 2\]"):
        open_data(npz(tmp_path, x=x, label=np.arange(2)))


def test_labels_cannot_be_changed(tmp_path):
    opened = open_data(npz(tmp_path, x=np.ones((2, 3)), label=np.array([0, 1], np.uint16)))
    with pytest.raises(ValueError, match="read-only"):
        opened.label[0] = 1


def test_digits_are_samples_with_the_names_of_their_classes():
    opened = open_data("digits")
    assert opened.classes == tuple("0123456789")
    assert (opened.sample_shape, opened.dtype) == ((1, 8, 8), "float32")
    assert 0 < open_data("digits:test").n_samples < opened.n_samples
