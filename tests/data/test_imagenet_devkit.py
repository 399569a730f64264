import numpy as np
import pytest

from encas.data.imagenet_devkit import TRUTH, devkit_synsets
from encas.errors import DataError

io = pytest.importorskip("scipy.io")
KIND = [("ILSVRC2012_ID", "O"), ("WNID", "O")]


@pytest.fixture
def kit(tmp_path):
    (tmp_path / "data").mkdir()
    synsets = np.array([(3, "n03"), (1, "n01"), (2, "n02")], dtype=KIND)
    io.savemat(tmp_path / "data" / "meta.mat", {"synsets": synsets})
    (tmp_path / "data" / TRUTH).write_text("1\n3\n3\n2\n")
    return tmp_path


def test_synsets_are_those_of_the_images_numbers(kit):
    assert devkit_synsets(kit) == ["n01", "n03", "n03", "n02"]


def test_synsets_of_no_images_are_none(kit):
    (kit / "data" / TRUTH).write_text("")
    assert devkit_synsets(kit) == []


@pytest.mark.parametrize("name", [TRUTH, "meta.mat"])
def test_missing_file_is_named(kit, name):
    (kit / "data" / name).unlink()
    with pytest.raises(DataError, match=f"{name}: no such file"):
        devkit_synsets(kit)


@pytest.mark.parametrize("truth", ["4", "0", "x", "1.5"])
def test_number_that_the_kit_does_not_know_is_refused(kit, truth):
    (kit / "data" / TRUTH).write_text(f"1\n{truth}\n")
    with pytest.raises(DataError, match="not the development kit of 2012"):
        devkit_synsets(kit)


def test_foreign_tables_are_refused(kit):
    meta = kit / "data" / "meta.mat"
    io.savemat(meta, {"others": np.arange(3)})
    with pytest.raises(DataError, match=r"not the development kit of 2012: KeyError\('synsets'\)"):
        devkit_synsets(kit)
    meta.write_bytes(b"nothing")
    with pytest.raises(DataError, match="not the development kit of 2012"):
        devkit_synsets(kit)
    io.savemat(meta, {"synsets": np.arange(3)})
    with pytest.raises(DataError, match="not the development kit of 2012"):
        devkit_synsets(kit)
