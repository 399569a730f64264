"""CIFAR files: read as torchvision reads them, and nothing but CIFAR files."""

import pickle

import numpy as np
import pytest

from encas.data.open_source import open_source
from encas.errors import DataError

NAMES = [b"plane", b"car"]


def batch(rng, n=4, key=b"labels"):
    return {b"data": rng.integers(0, 256, (n, 3072), dtype=np.uint8), key: [0, 1] * (n // 2)}


@pytest.fixture
def root(tmp_path, rng):
    ten = tmp_path / "cifar-10-batches-py"
    ten.mkdir()
    for file in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        (ten / file).write_bytes(pickle.dumps(batch(rng)))
    (ten / "batches.meta").write_bytes(pickle.dumps({b"label_names": NAMES}))
    hundred = tmp_path / "cifar-100-python"
    hundred.mkdir()
    for file in ("train", "test"):
        (hundred / file).write_bytes(pickle.dumps(batch(rng, key=b"fine_labels")))
    (hundred / "meta").write_bytes(pickle.dumps({b"fine_label_names": NAMES}))
    return tmp_path


def stored(root, file):
    return pickle.loads((root / file).read_bytes())


def test_test_split_has_the_pixels_of_the_file(root):
    source = open_source(f"cifar10:test:{root}")
    data = stored(root, "cifar-10-batches-py/test_batch")
    assert source.classes == ("plane", "car")
    assert source.label.tolist() == [0, 1, 0, 1]
    from encas.data.preprocessing import Preprocessing  # noqa: PLC0415

    plain = Preprocessing(size=(32, 32), scale=1.0)
    expected = data[b"data"].reshape(-1, 3, 32, 32)
    np.testing.assert_array_equal(source.read(np.arange(4), plain), expected)


def test_train_split_is_the_five_batches_in_order(root):
    source = open_source(f"cifar10:train:{root}")
    assert source.n_samples == 20
    again = open_source(f"cifar10:train:{root / 'cifar-10-batches-py'}")
    np.testing.assert_array_equal(source.sample_hashes(), again.sample_hashes())


def test_cifar100_has_its_fine_labels(root):
    assert open_source(f"cifar100:train:{root}").label.tolist() == [0, 1, 0, 1]


def test_default_folder_is_that_of_the_environment(root, monkeypatch):
    monkeypatch.setenv("ENCAS_DATA", str(root))
    assert open_source("cifar10:").n_samples == 4


def test_unknown_split_is_refused():
    with pytest.raises(DataError, match="split must be train or test, got 'val'"):
        open_source("cifar10:val")


def test_missing_archive_says_what_to_put_where(tmp_path):
    line = r"cifar-10-batches-py: no such folder: put .*cifar-10-python.tar.gz there, or give --dow"
    with pytest.raises(DataError, match=line):
        open_source(f"cifar10:test:{tmp_path}")


def test_pickle_that_runs_code_is_refused(root):
    class Evil:
        def __reduce__(self):
            return eval, ("1",)

    (root / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps({b"data": Evil()}))
    with pytest.raises(DataError, match="not a CIFAR file: refused: builtins.eval"):
        open_source(f"cifar10:test:{root}")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\x80", "not a CIFAR file"),
        (pickle.dumps([1]), "not a CIFAR file"),
        (pickle.dumps({b"data": np.zeros((2, 5), np.uint8), b"labels": [0, 1]}), "expected images"),
        (
            pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 7]}),
            "images, labels and class names do not fit together",
        ),
    ],
)
def test_damaged_file_is_refused(root, content, fault):
    (root / "cifar-10-batches-py" / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match=fault):
        open_source(f"cifar10:test:{root}")
