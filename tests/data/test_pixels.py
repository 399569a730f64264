"""Pixels decoded once for many models: exact, shared, whoever decodes them."""

import shutil

import numpy as np
import pytest

from encas.data import pixels
from encas.data.open_source import open_source
from encas.data.pixels import (
    SampleReference,
    broken_images,
    pixel_bytes,
    pixel_steps,
    read_pixels,
    write_pixels,
)
from encas.data.preprocessing import Preprocessing
from encas.errors import DataError

PREPROCESSINGS = (
    Preprocessing(size=(8, 8), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)),
    Preprocessing(size=(12, 8), resize=13, interpolation="bicubic", std=(0.1, 0.2, 0.3)),
    Preprocessing(size=(10, 10), crop=0.875, interpolation="lanczos", layout="nhwc"),
    Preprocessing(size=(10, 10), crop=0.9, squash=True, scale=127.5, mean=(1.0, 1.0, 1.0)),
    Preprocessing(size=(30, 30), resize=16, mean=(0.5,), std=(0.25,)),
    Preprocessing(size=(30, 30), resize=16, mean=(0.5,), std=(0.25,), crop_offset="floor"),
)


@pytest.mark.parametrize("preprocessing", PREPROCESSINGS)
def test_pixels_normalised_are_the_samples_bit_for_bit(pictures, preprocessing):
    source = open_source(str(pictures))
    made = read_pixels(source, pixel_steps(preprocessing), 0, source.n_samples)
    assert made.dtype == np.uint8
    expected = source.read(np.arange(source.n_samples), preprocessing)
    np.testing.assert_array_equal(preprocessing.normalised(made), expected)


def test_plan_is_shared_by_preprocessings_that_differ_in_arithmetic():
    first = Preprocessing(size=(8, 8), crop=0.9)
    same = Preprocessing(size=(8, 8), crop=0.9, mean=(0.1, 0.2, 0.3), std=(2, 2, 2), layout="nhwc")
    assert pixel_steps(first) == pixel_steps(same)


def test_plans_differ_with_whatever_moves_a_pixel():
    assert len({pixel_steps(p) for p in PREPROCESSINGS}) == len(PREPROCESSINGS)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_write_pixels_is_the_same_file_on_any_number_of_threads(pictures, tmp_path, n_threads):
    source = open_source(str(pictures))
    plan = pixel_steps(PREPROCESSINGS[0])
    done = []
    path = write_pixels(
        source, plan, tmp_path / "p.npy", n_threads=n_threads, on_progress=done.append
    )
    expected = read_pixels(source, plan, 0, source.n_samples)
    np.testing.assert_array_equal(np.load(path), expected)
    assert (done[-1].done, done[-1].total) == (source.n_samples, source.n_samples)
    assert pixel_bytes(source, plan) == expected.nbytes
    assert [p.name for p in tmp_path.iterdir()] == ["p.npy"]


def test_write_pixels_that_are_there_decodes_nothing(pictures, tmp_path):
    source = open_source(str(pictures))
    path = tmp_path / "p.npy"
    path.write_bytes(b"there")
    assert write_pixels(source, pixel_steps(PREPROCESSINGS[0]), path, n_threads=1) == path
    assert path.read_bytes() == b"there"


def test_write_pixels_interrupted_leaves_no_file_of_that_name(pictures, tmp_path):
    def stop(_n):
        raise InterruptedError("stopped")

    source = open_source(str(pictures))
    with pytest.raises(InterruptedError, match="stopped"):
        write_pixels(
            source,
            pixel_steps(PREPROCESSINGS[0]),
            tmp_path / "p.npy",
            n_threads=2,
            on_progress=stop,
        )
    assert not (tmp_path / "p.npy").exists()


def test_write_pixels_of_samples_keeps_their_type(tmp_path, rng):
    x = rng.random((4, 3, 2, 2)).astype(np.float32)
    np.savez(tmp_path / "a.npz", x=x, label=np.zeros(4, int))
    source = open_source(f"npz:{tmp_path / 'a.npz'}")
    path = write_pixels(source, None, tmp_path / "s.npy", n_threads=1)
    np.testing.assert_array_equal(np.load(path), x)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_reference_without_a_file_decodes_the_same_samples(pictures, tmp_path, n_threads):
    source = open_source(str(pictures))
    plan = pixel_steps(PREPROCESSINGS[1])
    rows = (1, 3, 4, 8, 10)
    path = write_pixels(source.take(np.array(rows)), plan, tmp_path / "p.npy", n_threads=1)
    stored = SampleReference(file=path, data=str(pictures), rows=rows, plan=plan)
    decoded = SampleReference(file=None, data=str(pictures), rows=rows, plan=plan)
    first, second = stored.open(n_threads=1), decoded.open(n_threads=n_threads)
    assert len(first) == len(second) == 5
    for piece in (slice(0, 2), slice(1, 5), slice(3, 99)):
        np.testing.assert_array_equal(first[piece], second[piece])


@pytest.fixture
def torn(pictures, tmp_path):
    """The pictures, of which three cannot be read: one each of the first two, and the last."""
    root = tmp_path / "torn"
    shutil.copytree(pictures, root)
    (root / "ant" / "0.png").write_bytes((root / "ant" / "0.png").read_bytes()[:-200])
    (root / "bee" / "2.png").write_text("no image")
    (root / "cat" / "3.png").write_bytes(b"")
    return root


@pytest.mark.parametrize("n_threads", [1, 3])
def test_write_pixels_names_all_images_that_cannot_be_read(torn, tmp_path, n_threads):
    told = (
        r"torn: 4 faults: 3 of 12 images cannot be read; --skip-broken leaves them out; "
        r".*ant/0\.png: .*bee/2\.png: .*cat/3\.png: not an image that can be read: none of BMP"
    )
    with pytest.raises(DataError, match=told) as caught:
        write_pixels(
            open_source(str(torn)), pixel_steps(PREPROCESSINGS[0]), tmp_path / "p.npy",
            n_threads=n_threads,
        )  # fmt: skip
    assert "object at" not in str(caught.value)
    assert not list(tmp_path.glob("p.npy*"))


def test_write_pixels_of_many_broken_images_names_the_first(torn, tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "MAX_FAULTS", 2)
    with pytest.raises(DataError, match=r"4 faults: 3 of 12 .*bee/2.png: .*; and 1 more$"):
        write_pixels(
            open_source(str(torn)), pixel_steps(PREPROCESSINGS[0]), tmp_path / "p.npy", n_threads=1
        )


def test_broken_images_are_known_by_their_rows(torn, tmp_path, rng):
    broken = broken_images(open_source(str(torn)), n_threads=2)
    assert list(broken) == [0, 6, 11]
    assert "ant/0.png: not an image that can be read" in broken[0]
    np.savez(tmp_path / "a.npz", x=rng.random((4, 3)).astype(np.float32), label=np.zeros(4, int))
    assert broken_images(open_source(f"npz:{tmp_path / 'a.npz'}"), n_threads=1) == {}
