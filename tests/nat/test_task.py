import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from encas.data.preprocessing import Preprocessing
from encas.errors import DataError
from encas.imagenet_names import imagenet_synsets
from encas.nat.learning import Training
from encas.nat.nat_settings import NatSettings
from encas.nat.subnet_evaluating import samples_hash
from encas.nat.task import IMAGENET_MEAN, DataPlan, open_task

SETTINGS = NatSettings(
    iterations=1,
    archive_size=8,
    epochs=1,
    calibration_batches=2,
    calibration_batch_size=16,
    training=Training(batch_size=24),
)
FROZEN = replace(SETTINGS, epochs=0, n_new=1)
# For as many images as one has fingers.
TINY = replace(SETTINGS, calibration_batch_size=2, training=Training(batch_size=2))


def saved(path, x, n_classes=2) -> str:
    np.savez(path, x=x, label=np.arange(len(x)) % n_classes)
    return f"npz:{path}"


def values_of(data) -> np.ndarray:
    return np.load(data.partition(":")[2])["x"]


def test_a_part_of_the_data_is_searched_on_and_never_trained_on(halves):
    task = open_task(DataPlan(train=halves, search_share=0.25), SETTINGS, seed=0)
    rows = list(task.record.search_rows)
    assert (task.record.n_train, task.record.n_search) == (72, 24)
    assert (task.record.train, task.record.search) == (halves, halves)
    x = values_of(halves)
    assert np.array_equal(task.search.x, x[rows])
    assert np.array_equal(task.train.x, np.delete(x, rows, axis=0))
    assert np.bincount(task.search.label).tolist() == [12, 12]


def test_calibration_samples_are_some_of_the_training_samples(halves):
    task = open_task(DataPlan(train=halves), SETTINGS, seed=0)
    assert task.calibration.n_samples == len(task.calibrated.rows) == 32
    assert np.array_equal(task.calibration.x, values_of(halves)[list(task.calibrated.rows)])
    assert not set(task.calibrated.rows) & set(task.record.search_rows)
    assert task.calibrated.sha256 == samples_hash(task.calibration)
    assert task.calibrated.batch_size == 16
    every = replace(SETTINGS, calibration_batches=100)
    assert open_task(DataPlan(train=halves), every, seed=0).calibration.n_samples == 77


def test_other_data_to_search_on_leave_all_to_train_on(halves, tmp_path):
    other = saved(tmp_path / "other.npz", np.ones((6, 1, 8, 8), np.float32))
    task = open_task(DataPlan(train=halves, search=other), SETTINGS, seed=0)
    assert (task.record.search, task.record.search_rows) == (other, None)
    assert (task.train.n_samples, task.search.n_samples) == (96, 6)


def test_weights_that_are_not_trained_need_only_the_samples_that_calibrate(halves):
    task = open_task(DataPlan(train=halves), FROZEN, seed=0)
    assert task.train.n_samples == task.record.n_train == 32
    assert sorted(task.calibrated.rows) != list(task.calibrated.rows)
    assert samples_hash(task.calibration) == task.calibrated.sha256


def test_part_to_train_on_has_the_shares_of_the_classes(halves):
    task = open_task(DataPlan(train=halves, n_train=40), SETTINGS, seed=0)
    assert np.bincount(task.train.label).tolist() == [20, 20]


def test_seed_decides_on_the_rows(halves):
    one, same, other = (
        open_task(DataPlan(train=halves), SETTINGS, seed=seed).record for seed in (1, 1, 2)
    )
    assert one == same
    assert one.search_rows != other.search_rows


def test_classes_are_those_that_either_data_have(halves, tmp_path):
    third = saved(tmp_path / "third.npz", np.zeros((6, 1, 8, 8), np.float32), n_classes=3)
    task = open_task(DataPlan(train=halves, search=third), SETTINGS, seed=0)
    assert (task.train.n_classes, task.search.n_classes) == (3, 3)


def test_images_are_made_to_the_size_or_by_the_given_preprocessing(tmp_path, rng):
    x = rng.integers(0, 255, (60, 5, 5, 3)).astype(np.uint8)
    plan = DataPlan(train=saved(tmp_path / "images.npz", x), size=8)
    task = open_task(plan, SETTINGS, seed=0)
    assert task.train.shape == (3, 8)
    assert task.preprocessing == task.search.preprocessing
    assert (task.preprocessing.size, task.preprocessing.mean) == ((8, 8), IMAGENET_MEAN)
    own = Preprocessing(size=(6, 6), mean=(0.5,), std=(0.25,))
    given = open_task(replace(plan, preprocessing=own), SETTINGS, seed=0)
    assert (given.train.shape, given.preprocessing) == ((1, 6), own)


def test_task_goes_to_a_device_as_a_whole(halves):
    task = open_task(DataPlan(train=halves), SETTINGS, seed=0)
    moved = task.to(torch.device("meta"))
    assert all(t.x.is_meta for t in (moved.train, moved.search, moved.calibration))
    assert (moved.record, moved.calibrated) == (task.record, task.calibrated)


@pytest.mark.parametrize(
    ("plan", "match"),
    [
        ({"n_train": 23}, "expected at least a batch of 24 samples to train on, got 23"),
        ({"n_train": 78}, r"expected 1..77 samples to train on, got 78"),
        ({"n_train": 0}, r"expected 1..77 samples to train on, got 0"),
        ({"search_share": 1.0}, "must be between 0 and 1, got 1"),
        ({"search_share": 0.0}, "must be between 0 and 1, got 0"),
    ],
)
def test_parts_that_cannot_be_had_are_refused(halves, plan, match):
    with pytest.raises(DataError, match=match):
        open_task(DataPlan(train=halves, **plan), SETTINGS, seed=0)


@pytest.mark.parametrize(
    ("settings", "n_train"), [(SETTINGS, 24), (FROZEN, 16)], ids=["trained", "frozen"]
)
def test_one_batch_is_enough_to_train_or_to_calibrate(halves, settings, n_train):
    assert open_task(DataPlan(train=halves, n_train=n_train), settings, seed=0)
    with pytest.raises(DataError, match=f"a batch of {n_train} samples"):
        open_task(DataPlan(train=halves, n_train=n_train - 1), settings, seed=0)


@pytest.mark.parametrize(
    ("x", "match"),
    [
        (np.zeros((4, 1, 6, 6), np.float32), r"of shape \[1, 8, 8\], got \[1, 6, 6\]"),
        (np.zeros((4, 9, 9, 3), np.uint8), "expected samples that come ready, as in npz:"),
    ],
)
def test_search_data_must_be_like_those_to_train_on(halves, tmp_path, x, match):
    plan = DataPlan(train=halves, search=saved(tmp_path / "other.npz", x))
    with pytest.raises(DataError, match=match):
        open_task(plan, SETTINGS, seed=0)


def test_search_data_with_other_class_names_are_refused(pictures, tmp_path):
    for name in ("bee", "cat", "dog"):
        (tmp_path / name).mkdir()
        shutil.copy(pictures / "cat" / "0.png", tmp_path / name)
    with pytest.raises(
        DataError, match="have other classes: only the former has 1 \\('dog'\\), only the latter 1"
    ):
        open_task(DataPlan(train=str(pictures), search=str(tmp_path)), SETTINGS, seed=0)


def test_search_data_that_lack_a_class_are_mapped_by_name_and_it_is_said(pictures, tmp_path):
    for name in ("ant", "cat"):
        (tmp_path / name).mkdir()
        shutil.copy(pictures / "cat" / "0.png", tmp_path / name)
    notes, plan = [], DataPlan(train=str(pictures), search=str(tmp_path))
    task = open_task(plan, TINY, seed=0, on_note=notes.append)
    assert task.search.label.tolist() == [0, 2]
    assert task.classes == ("ant", "bee", "cat")
    said = f"the data {tmp_path}: 2 of the 3 classes of the data {pictures}, matched by name"
    assert notes == [said]
    back = open_task(replace(plan, train=str(tmp_path), search=str(pictures)), TINY, seed=0)
    assert back.train.label.tolist() == [0, 2]
    assert (back.train.n_classes, back.classes) == (3, ("ant", "bee", "cat"))


def test_imagenet_and_the_numbers_of_imagenetv2_are_the_same_classes(pictures, tmp_path):
    synsets = imagenet_synsets()
    for folder, name in (("val", synsets[7]), ("val", synsets[0])):
        (tmp_path / folder / name).mkdir(parents=True)
        for i in range(4):
            shutil.copy(pictures / "cat" / "0.png", tmp_path / folder / name / f"{name}{i}.png")
    one, other = (pictures / name / "1.png" for name in ("ant", "bee"))
    for number, image in (("0", one), ("7", other)):
        place = tmp_path / "imagenetv2-top-images-format-val" / number
        place.mkdir(parents=True)
        shutil.copy(image, place)
    notes = []
    plan = DataPlan(train=f"imagenet:{tmp_path}", search=f"imagenetv2:{tmp_path}")
    task = open_task(plan, TINY, seed=0, on_note=notes.append)
    assert set(task.train.label.tolist()) == {0, 7}
    assert task.search.label.tolist() == [0, 7]
    assert (task.train.n_classes, task.search.n_classes) == (1000, 1000)
    assert "matched as ImageNet's classes" in notes[0]
