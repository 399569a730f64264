"""Images as Python users have them, and the samples that they make."""

import io

import numpy as np
import pytest
from PIL import Image

from encas.data.images import sample_of_pixels
from encas.data.preprocessing import Preprocessing
from encas.data.raw_images import ImageReader
from encas.entries import InputEntry
from encas.errors import DataError

STEPS = {"size": [4, 4], "resize": 5, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
EXACT = {"size": [4, 4], "scale": 1.0, "layout": "nhwc"}


def entry(**values) -> InputEntry:
    chosen = {"name": "input", "dtype": "float32", "shape": (3, 4, 4), "preprocessing": STEPS}
    return InputEntry(**chosen | values)


def reader(*inputs: InputEntry) -> ImageReader:
    return ImageReader(inputs=inputs or (entry(),), where="bundle")


@pytest.fixture
def pixels(rng) -> list[np.ndarray]:
    """Three images of three sizes."""
    return [rng.integers(0, 256, (6 + i, 9 - i, 3)).astype(np.uint8) for i in range(3)]


def samples_of(read, n: int) -> np.ndarray:
    return read.read("input", np.arange(n))


def test_paths_pillow_images_and_arrays_make_the_same_samples(pixels, tmp_path):
    expected = np.stack([sample_of_pixels(one, Preprocessing.of(STEPS)) for one in pixels])
    pillow = [Image.fromarray(one) for one in pixels]
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for image, path in zip(pillow, paths, strict=True):
        image.save(path)
    mixed = [str(paths[0]), pillow[1], pixels[2]]
    for images in (pixels, tuple(pillow), paths, mixed):
        assert reader().takes(images)
        np.testing.assert_array_equal(samples_of(reader().read(images), 3), expected)
    for alone in (pillow[0], paths[0], str(paths[0])):
        assert reader().takes(alone)
        np.testing.assert_array_equal(samples_of(reader().read(alone), 1), expected[:1])


def test_array_of_images_of_one_size_makes_their_samples(pixels):
    stacked = np.stack([pixels[0], pixels[0][::-1]])
    read = reader().read(stacked)
    assert len(read) == 2
    expected = sample_of_pixels(stacked[1], Preprocessing.of(STEPS))
    np.testing.assert_array_equal(read.read("input", np.array([1])), expected[None])


def test_each_input_gets_its_own_preprocessing(pixels):
    other = entry(name="input_2", shape=(4, 4, 3), preprocessing=EXACT)
    read = reader(entry(), other).read(pixels[:1])
    assert read.read("input", np.array([0])).shape == (1, 3, 4, 4)
    expected = sample_of_pixels(pixels[0], Preprocessing.of(EXACT))
    np.testing.assert_array_equal(read.read("input_2", np.array([0])), expected[None])


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((2, 3, 4, 4), np.float32),
        [np.zeros((3, 4, 4), np.float32)],
        [[0.0, 1.0]],
        [],
        3,
        {"input": np.zeros((1, 4, 4, 3), np.uint8)},
    ],
)
def test_samples_are_no_images(x):
    assert not reader().takes(x)


def test_bytes_are_samples_where_the_manifest_says_uint8(pixels, tmp_path):
    taking = reader(entry(dtype="uint8", shape=(4, 4, 3), preprocessing=EXACT))
    assert not taking.takes(np.stack([pixels[0]]))
    assert not taking.takes([pixels[0]])
    Image.fromarray(pixels[0]).save(tmp_path / "a.png")
    assert taking.takes(tmp_path / "a.png")
    made = samples_of(taking.read(tmp_path / "a.png"), 1)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made[0], sample_of_pixels(pixels[0], Preprocessing.of(EXACT)))


def test_preprocessing_that_makes_no_bytes_is_refused(pixels):
    halves = EXACT | {"scale": 2.0}
    taking = reader(entry(dtype="uint8", shape=(4, 4, 3), preprocessing=halves))
    with pytest.raises(DataError, match="input: the model takes uint8, the samples are float32"):
        samples_of(taking.read([Image.fromarray(pixels[0])]), 1)


def test_half_floats_are_made_where_the_manifest_says_so(pixels):
    read = reader(entry(dtype="float16")).read(pixels)
    assert samples_of(read, 3).dtype == np.float16


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (
            {"preprocessing": None},
            r"bundle: the manifest states no preprocessing for input, .* float32 \[n, 3, 4, 4\]",
        ),
        ({"shape": (3, 8, 8)}, r"makes samples \[3, 4, 4\], but the model takes float32 \[n, 3, 8"),
    ],
)
def test_images_that_cannot_be_made_into_samples_are_refused(values, match):
    with pytest.raises(DataError, match=match):
        reader(entry(**values)).read("a.png")


def test_array_of_no_images_is_refused_and_told_the_shape(pixels):
    with pytest.raises(DataError, match=r"images \[n, height, width, 3\], got \[6, 9, 3\]; one im"):
        reader().read(pixels[0])


def damaged(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "png")
    return Image.open(io.BytesIO(file.getvalue()[:-40]))


def test_bad_image_is_named(pixels, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    good = pixels[0]
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    for bad, match in (
        (tmp_path / "text.png", r"text.png: not an image that can be read"),
        (tmp_path / "none.png", r"none.png: cannot be opened: No such file"),
        (tmp_path, r": cannot be opened: Is a directory"),
        (good[..., 0], r"image 1: expected uint8 \[height, width, 3\], got uint8 \[6, 9\]"),
        (good / 255, r"image 1: expected uint8 \[height, width, 3\], got float64 \[6, 9, 3\]"),
        (good[:0], r"image 1: expected uint8 .* got uint8 \[0, 9, 3\]"),
        (None, "image 1: expected a path, a Pillow image or a uint8 array, got NoneType"),
        (damaged(noise), "image 1: not an image that can be read"),
    ):
        with pytest.raises(DataError, match=match):
            samples_of(reader().read([good, bad]), 2)
