import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from encas.cascade import Cascade
from encas.data.open_data import open_bundle_data, open_bundle_samples, open_data, open_views
from encas.data.preprocessing import Preprocessing
from encas.entries import InputEntry, MemberEntry
from encas.errors import DataError
from encas.manifest import Manifest

SMALL = Preprocessing(size=(4, 4), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
PLAIN = Preprocessing(size=(8, 8))


def test_data_of_a_folder_and_a_zip_is_the_same(tmp_path, rng):
    for name in ("b/1.png", "a/1.png", "b/0.png"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)).save(path)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in (tmp_path / "root").rglob("*.png"):
            archive.write(path, path.relative_to(tmp_path / "root"))
    folder = open_data(str(tmp_path / "root"), preprocessing=SMALL)
    packed = open_data(str(tmp_path / "x.zip"), preprocessing=SMALL)
    assert folder.classes == packed.classes == ("a", "b")
    assert folder.sample_names == packed.sample_names == ("a/1.png", "b/0.png", "b/1.png")
    assert np.array_equal(folder.samples(np.arange(3)), packed.samples(np.arange(3)))
    assert packed.take(np.array([2, 0])).sample_names == ("b/1.png", "a/1.png")


def test_data_kinds_serve_the_runtime(tmp_path):
    with pytest.raises(DataError, match="no ImageNet here"):
        open_data(f"imagenet:{tmp_path}", preprocessing=PLAIN)


def npz(tmp_path, x) -> str:
    np.savez(tmp_path / "x.npz", x=x, label=np.arange(len(x)))
    return f"npz:{tmp_path / 'x.npz'}"


def test_data_bears_the_name_that_the_user_typed(tmp_path, pictures):
    text = npz(tmp_path, np.ones((2, 3)))
    assert open_data(text).name == text
    assert open_data(str(pictures), preprocessing=PLAIN).name == str(pictures)


def test_data_with_a_colon_in_its_path_is_a_path(tmp_path, pictures):
    (tmp_path / "a:b").symlink_to(pictures)
    assert open_data(str(tmp_path / "a:b"), preprocessing=PLAIN).n_samples == 12


def test_views_are_the_same_images_made_in_their_own_ways(tmp_path, rng):
    x = rng.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    text = npz(tmp_path, x)
    found = open_views(text, {"input": SMALL, "input_2": PLAIN, "input_3": None})
    rows = np.arange(3)
    assert list(found.further) == ["input_2", "input_3"]
    assert np.array_equal(found.samples(rows), open_data(text, preprocessing=SMALL).samples(rows))
    assert found.view("input_2").sample_shape == (3, 8, 8)
    assert np.array_equal(found.view("input_3").samples(rows), x)
    assert open_views(text, {"input": SMALL}).further == {}


def bundle_of(folder, **values):
    """A bundle on paper: nothing but its manifest."""
    names = ("a", "b")
    reads = ["input", "input_2" if "further_inputs" in values else "input"]
    members = tuple(
        MemberEntry(name=n, file=f"members/{n}.onnx", sha256="0" * 64, bytes=1, reads=r)
        for n, r in zip(names, reads, strict=True)
    )
    given = {
        "name": "it",
        "cascade": Cascade(members=names, thresholds=(0.5,)),
        "members": members,
        "input_shape": (3, 4, 4),
        "n_classes": 3,
    }
    folder.mkdir()
    Manifest(**{**given, **values}).save(folder)
    return folder


def test_bundles_data_is_made_as_its_manifest_says(tmp_path, rng):
    text = npz(tmp_path, rng.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8))
    plain = open_bundle_data(bundle_of(tmp_path / "plain"), text)
    assert (plain.sample_shape, plain.further) == ((8, 8, 3), {})
    made = open_bundle_data(bundle_of(tmp_path / "made", preprocessing={"size": [4, 4]}), text)
    assert made.sample_shape == (3, 4, 4)
    other = InputEntry(
        name="input_2", dtype="float32", shape=(3, 6, 6), preprocessing={"size": [6, 6]}
    )
    folder = bundle_of(tmp_path / "two", preprocessing={"size": [4, 4]}, further_inputs=(other,))
    both = open_bundle_data(folder, text)
    assert (both.sample_shape, both.view("input_2").sample_shape) == ((3, 4, 4), (3, 6, 6))


def test_bundles_data_that_lack_a_class_have_the_labels_of_the_bundle(pictures, tmp_path):
    for name in ("ant", "cat"):
        shutil.copytree(pictures / name, tmp_path / "part" / name)
    names = {"classes": ("ant", "bee", "cat"), "n_classes": 3}
    folder = bundle_of(tmp_path / "it", preprocessing={"size": [4, 4]}, **names)
    notes = []
    part = open_bundle_data(folder, str(tmp_path / "part"), on_note=notes.append)
    assert part.label.tolist() == [0, 0, 0, 0, 2, 2, 2, 2]
    assert part.classes == ("ant", "bee", "cat")
    assert len(notes) == 1
    assert notes[0].startswith(f"the data {tmp_path / 'part'}: 2 of the 3 classes of bundle ")
    # Whoever needs no labels may bring anything.
    others = bundle_of(tmp_path / "other", preprocessing={"size": [4, 4]},
                       classes=("x", "y", "z"), n_classes=3)  # fmt: skip
    assert open_bundle_samples(others, str(tmp_path / "part")).label.max() == 1
    with pytest.raises(DataError, match="only the former has 2"):
        open_bundle_data(others, str(tmp_path / "part"))


def test_bundle_whose_preprocessing_has_faults_is_refused(tmp_path):
    folder = bundle_of(tmp_path / "it", preprocessing={"size": [4, 4]})
    values = json.loads((folder / "manifest.json").read_text())
    values["preprocessing"] |= {"resize": 5, "crop": 0.5}
    (folder / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match="give resize or crop, not both"):
        open_bundle_data(folder, npz(tmp_path, np.ones((2, 3))))
