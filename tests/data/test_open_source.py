import hashlib
import zipfile

import numpy as np
import pytest

from encas.data.open_data import open_data
from encas.data.open_source import SOURCE_KINDS, existing, open_source
from encas.data.preprocessing import Preprocessing
from encas.errors import DataError

PLAIN = Preprocessing(size=(8, 8))


def test_open_source_folder_reads_what_the_runtime_reads(pictures):
    source = open_source(str(pictures))
    expected = open_data(str(pictures), preprocessing=PLAIN)
    rows = np.array([0, 5, 11])
    assert source.is_image
    assert source.classes == ("ant", "bee", "cat")
    assert source.n_classes == 3
    np.testing.assert_array_equal(source.label, expected.label)
    np.testing.assert_array_equal(source.read(rows, PLAIN), expected.samples(rows))
    np.testing.assert_array_equal(source.dataset(PLAIN).samples(rows), expected.samples(rows))


def test_open_source_zip_knows_samples_by_their_files_bytes(pictures, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted(pictures.rglob("*.png")):
            archive.write(path, path.relative_to(pictures))
    zipped = open_source(str(tmp_path / "all.zip")).sample_hashes()
    np.testing.assert_array_equal(zipped, open_source(str(pictures)).sample_hashes())
    first = (pictures / "ant" / "0.png").read_bytes()
    assert zipped[0].tobytes() == hashlib.sha256(first).digest()


def test_open_source_npz_of_pixels_is_images(tmp_path, rng):
    x = rng.integers(0, 256, (5, 10, 12, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=x, label=np.array([0, 1, 2, 1, 0]))
    source = open_source(f"npz:{tmp_path / 'a.npz'}")
    assert source.is_image
    assert source.classes is None
    assert source.n_classes == 3
    expected = open_data(f"npz:{tmp_path / 'a.npz'}", preprocessing=PLAIN)
    np.testing.assert_array_equal(source.read(np.arange(5), PLAIN), expected.samples(np.arange(5)))


def test_open_source_npz_of_floats_is_fed_as_it_is(tmp_path, rng):
    x = rng.random((4, 3, 2, 2)).astype(np.float32)
    np.savez(tmp_path / "a.npz", x=x, label=np.array([0, 1, 0, 1]))
    source = open_source(f"npz:{tmp_path / 'a.npz'}")
    assert not source.is_image
    np.testing.assert_array_equal(source.read(np.array([2, 0]), None), x[[2, 0]])


def test_open_source_missing_data_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such data: expected a folder or a .zip of images"):
        open_source(str(tmp_path / "nothing"))


@pytest.mark.parametrize("text", ["no/such/folder", "imagenets:x"])
def test_data_of_an_unknown_name_is_refused_with_those_known(text):
    with pytest.raises(DataError, match=r"a folder or a \.zip of images, or one of cifar10:"):
        open_data(text)


def test_existing_path_is_given_back_and_one_that_is_none_names_every_kind(tmp_path):
    assert existing(str(tmp_path)) == tmp_path
    with pytest.raises(DataError, match="no such data") as refused:
        existing("nowhere:x")
    message = str(refused.value)
    assert all(f"{kind}:..." in message for kind in ("digits", "npz", *SOURCE_KINDS))
    assert message.endswith("got 'nowhere:x'")


def test_open_source_bears_the_name_that_the_user_typed(pictures, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((2, 3)), label=np.arange(2))
    for text in (str(pictures), f"npz:{tmp_path / 'a.npz'}", "digits:test"):
        assert open_source(text).name == text


def test_open_source_of_digits_keeps_their_classes():
    assert open_source("digits:test").classes == tuple("0123456789")


@pytest.mark.parametrize("kind", ["cifar10", "cifar100", "imagenetv2"])
def test_open_source_fetches_nothing_unasked(tmp_path, kind):
    rest = f"{tmp_path}" if kind == "imagenetv2" else f"test:{tmp_path}"
    with pytest.raises(DataError, match="--download"):
        open_source(f"{kind}:{rest}")
