"""ImageNet's layouts, on stand-ins of a few pictures."""

import shutil

import numpy as np
import pytest

from encas.data.imagenet import V2_SETS
from encas.data.open_source import open_source
from encas.errors import DataError

SYNSETS = ("n01440764", "n01443537", "n15075141")
V2_FOLDER = "imagenetv2-{}-format-val"


@pytest.fixture
def images(pictures):
    return sorted(pictures.rglob("*.png"))


def flat_name(number):
    return f"ILSVRC2012_val_{number:08d}.JPEG"


@pytest.fixture
def flat(tmp_path, images):
    (tmp_path / "val").mkdir()
    for number in range(1, 5):
        shutil.copy(images[number], tmp_path / "val" / flat_name(number))
    return tmp_path


@pytest.mark.parametrize("below", ["", "val"])
def test_class_folders_are_in_the_order_of_their_synsets(tmp_path, images, below):
    for index, synset in enumerate(reversed(SYNSETS)):
        folder = tmp_path / below / synset
        folder.mkdir(parents=True)
        shutil.copy(images[index], folder / "a.png")
    source = open_source(f"imagenet:{tmp_path}")
    assert source.classes == SYNSETS
    assert source.label.tolist() == [0, 1, 2]
    assert source.raw(0) == images[2].read_bytes()


def test_flat_files_are_labelled_by_the_development_kit(flat, images):
    io = pytest.importorskip("scipy.io")
    kit = flat / "ILSVRC2012_devkit_t12" / "data"
    kit.mkdir(parents=True)
    numbers_and_names = [(3, SYNSETS[0]), (1, SYNSETS[2]), (2, SYNSETS[1])]
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O")]
    io.savemat(kit / "meta.mat", {"synsets": np.array(numbers_and_names, dtype=kind)})
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n3\n3\n2\n")
    source = open_source(f"imagenet:{flat}")
    assert [source.classes[label] for label in source.label] == [
        SYNSETS[2], SYNSETS[0], SYNSETS[0], SYNSETS[1],
    ]  # fmt: skip
    assert source.raw(3) == images[4].read_bytes()


def test_flat_files_of_a_part_have_the_classes_of_the_whole(flat):
    lines = ["ImageId,PredictionString"]
    lines += [f"{flat_name(n)[:-5]},{SYNSETS[n % 3]} 1 2 3 4" for n in range(1, 9)]
    (flat / "LOC_val_solution.csv").write_text("\n".join(lines) + "\n")
    for number in (1, 3, 4):
        (flat / "val" / flat_name(number)).unlink()
    source = open_source(f"imagenet:{flat}")
    assert source.classes == SYNSETS
    assert source.label.tolist() == [2]


def test_flat_files_with_a_foreign_kit_are_refused(flat):
    pytest.importorskip("scipy.io")
    kit = flat / "ILSVRC2012_devkit_t12" / "data"
    kit.mkdir(parents=True)
    with pytest.raises(DataError, match="ground_truth.txt: no such file"):
        open_source(f"imagenet:{flat}")
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n")
    (kit / "meta.mat").write_bytes(b"nothing")
    with pytest.raises(DataError, match="not the development kit of 2012"):
        open_source(f"imagenet:{flat}")


def test_flat_files_are_labelled_by_the_solutions(flat):
    lines = ["ImageId,PredictionString"]
    lines += [f"{flat_name(n)[:-5]},{SYNSETS[n % 3]} 1 2 3 4" for n in (4, 3, 2, 1)]
    (flat / "LOC_val_solution.csv").write_text("\n".join(lines) + "\n")
    source = open_source(f"imagenet:{flat}")
    assert [source.classes[label] for label in source.label] == [
        SYNSETS[n % 3] for n in (1, 2, 3, 4)
    ]


def test_flat_files_without_a_label_are_refused(flat):
    (flat / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n")
    with pytest.raises(DataError, match="no label of ILSVRC2012_val_00000001"):
        open_source(f"imagenet:{flat}")


@pytest.mark.parametrize("table", ["a,b\n1,2\n", "ImageId,PredictionString\nx,\nx\n"])
def test_flat_files_with_foreign_solutions_are_refused(flat, table):
    (flat / "LOC_val_solution.csv").write_text(table)
    with pytest.raises(DataError, match="solution.csv: expected ImageId,PredictionString"):
        open_source(f"imagenet:{flat}")


def test_flat_files_without_labels_say_what_to_put_where(flat):
    with pytest.raises(DataError, match="put ILSVRC2012_devkit_t12 or LOC_val_solution.csv there"):
        open_source(f"imagenet:{flat}")


def test_missing_imagenet_says_what_to_put_where(tmp_path):
    with pytest.raises(
        DataError, match="put the folders n01440764 .. n15075141 .* there, or unpack"
    ):
        open_source(f"imagenet:{tmp_path}")


@pytest.fixture
def v2(tmp_path, images):
    """Three sets: classes 2 and 10, whose order as words is the wrong one; two files are equal."""
    for index, name in enumerate(V2_SETS):
        for label in ("10", "2"):
            folder = tmp_path / V2_FOLDER.format(name) / label
            folder.mkdir(parents=True)
            place = index * 2 + (label == "10")
            shutil.copy(images[place], folder / f"{place}.png")
    shared = tmp_path / V2_FOLDER.format(V2_SETS[2]) / "2" / "same.png"
    shutil.copy(images[0], shared)
    return tmp_path


def test_imagenetv2_is_merged_without_duplicates_and_labelled_by_number(v2, images):
    source = open_source(f"imagenetv2:{v2}")
    assert source.label.tolist() == [2, 10, 2, 10, 2, 10]
    assert [source.raw(row) for row in range(6)] == [images[i].read_bytes() for i in range(6)]
    assert source.n_classes == 1000
    assert len(np.unique(source.sample_hashes(), axis=0)) == source.n_samples


def test_imagenetv2_of_one_set_is_that_set(v2):
    for name in V2_SETS[1:]:
        shutil.rmtree(v2 / V2_FOLDER.format(name))
    assert open_source(f"imagenetv2:{v2}").n_samples == 2


def test_imagenetv2_takes_no_other_files_and_not_nothing(v2):
    (v2 / V2_FOLDER.format(V2_SETS[0]) / "2" / ".DS_Store").write_bytes(b"")
    assert open_source(f"imagenetv2:{v2}").n_samples == 6
    for path in v2.rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match="the sets of ImageNetV2 hold no images"):
        open_source(f"imagenetv2:{v2}")


def test_imagenetv2_with_a_foreign_folder_is_refused(v2):
    (v2 / V2_FOLDER.format(V2_SETS[0]) / "1000").mkdir()
    with pytest.raises(DataError, match=r"expected folders 0 .. 999, got '1000'"):
        open_source(f"imagenetv2:{v2}")


def test_missing_imagenetv2_says_what_to_put_where(tmp_path):
    with pytest.raises(
        DataError, match="put imagenetv2-matched-frequency-format-val, .*--download"
    ):
        open_source(f"imagenetv2:{tmp_path}")
