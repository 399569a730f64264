import io

import numpy as np
import pytest
from PIL import Image

from encas.data import images
from encas.data.images import read_sample, sample_of, sample_of_pixels
from encas.data.preprocessing import Preprocessing
from encas.errors import DataError

PLAIN = Preprocessing(size=(4, 4))


def encoded(image: Image.Image, kind: str = "PNG", **options) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    buffer.seek(0)
    return buffer


def random_image(rng, height: int, width: int, mode: str = "RGB") -> Image.Image:
    n_channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    return Image.fromarray(rng.integers(0, 256, (height, width, *n_channels), dtype=np.uint8))


def test_sample_of_an_image_of_the_right_size_is_its_pixels(rng):
    image = random_image(rng, 4, 4)
    expected = np.asarray(image).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    assert np.array_equal(sample_of(image, PLAIN), expected)
    assert np.array_equal(sample_of_pixels(np.asarray(image), PLAIN), expected)


def test_sample_of_a_grey_image_has_as_many_channels_as_the_mean(rng):
    image = random_image(rng, 4, 4, "L")
    assert sample_of(image, PLAIN).shape == (3, 4, 4)
    grey = Preprocessing(size=(4, 4), mean=(0.5,), std=(0.5,))
    assert sample_of(image, grey).shape == (1, 4, 4)
    pixels = np.asarray(image)[..., None]
    assert np.array_equal(sample_of_pixels(pixels, grey), sample_of(image, grey))
    assert sample_of(random_image(rng, 4, 4, "RGBA"), PLAIN).shape == (3, 4, 4)


def test_sample_is_cropped_at_the_centre():
    pixels = np.zeros((6, 10, 3), np.uint8)
    pixels[1:5, 3:7] = 255
    cropped = sample_of_pixels(pixels, Preprocessing(size=(4, 4), resize=6))
    assert (cropped == 1).all()


def test_sample_of_an_image_smaller_than_the_crop_has_a_black_border():
    pixels = np.full((2, 3, 3), 255, np.uint8)
    sample = sample_of_pixels(pixels, Preprocessing(size=(5, 5), resize=2))
    assert sample[0].tolist() == [
        [0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0],
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_read_sample_of_a_file_without_loss_is_the_images(rng, kind):
    image = random_image(rng, 7, 9)
    found = read_sample(encoded(image, kind), PLAIN, where="x")
    assert np.array_equal(found, sample_of(image, PLAIN))


@pytest.mark.parametrize(
    "content",
    [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"GIF89a\x01\x00\x01\x00\x00\x00\x00"],
)
def test_read_sample_of_something_else_is_refused(content):
    with pytest.raises(DataError, match=r"folder/x\.png: not an image that can be read"):
        read_sample(io.BytesIO(content), PLAIN, where="folder/x.png")


def test_read_sample_of_a_truncated_image_is_refused(rng):
    content = encoded(random_image(rng, 64, 64), "JPEG").getvalue()
    with pytest.raises(DataError, match="not an image that can be read"):
        read_sample(io.BytesIO(content[: len(content) // 2]), PLAIN, where="x")


def test_read_sample_of_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    bomb = encoded(Image.new("1", (12_000, 12_000)))
    monkeypatch.setattr(Image.Image, "convert", _never)
    with pytest.raises(DataError, match="expected at most 67108864 pixels, got 12000 x 12000"):
        read_sample(bomb, PLAIN, where="x")
    huge = encoded(Image.new("1", (20_000, 20_000)))
    with pytest.raises(DataError, match="not an image that can be read"):
        read_sample(huge, PLAIN, where="x")


@pytest.mark.torch
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
def test_samples_are_those_of_timm_and_torchvision(rng, interpolation):
    from encas.pools.models.timm_models import import_timm  # noqa: PLC0415

    timm = import_timm()
    from torchvision import transforms  # noqa: PLC0415

    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    for index in range(12):
        height, width = (int(side) for side in rng.integers(20, 200, 2))
        image = random_image(rng, height, width)
        size = [(64, 64), (48, 80), (75, 75)][index % 3]
        crop = [0.875, 0.95, 1.0, 0.9][index % 4]
        transform = timm.data.create_transform(
            (3, *size), is_training=False, interpolation=interpolation, mean=mean, std=std,
            crop_pct=crop,
        )  # fmt: skip
        ours = Preprocessing(size=size, crop=crop, interpolation=interpolation, mean=mean, std=std)
        assert np.array_equal(sample_of(image, ours), transform(image).numpy())
        theirs = transforms.Compose(
            [
                transforms.Resize(72),
                transforms.CenterCrop(size),
                transforms.ToTensor(),
                transforms.Normalize(mean, std),
            ]
        )
        ours = Preprocessing(size=size, resize=72, mean=mean, std=std)
        assert np.array_equal(sample_of(image, ours), theirs(image).numpy())


def test_formats_are_those_that_pillow_decodes_itself():
    Image.init()
    assert set(images.FORMATS) <= set(Image.OPEN)


def _never(*_arguments, **_options):
    raise AssertionError("the image was unpacked")


def deep(values: np.ndarray, kind: str = "PNG") -> Image.Image:
    """An image of uint16 numbers, as Pillow opens it from a file."""
    return Image.open(encoded(Image.fromarray(values.astype(np.uint16)), kind))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sample_of_16_bits_is_that_of_its_8_bit_twin(rng, kind):
    eight = rng.integers(0, 256, (4, 4), dtype=np.uint8)
    noise = rng.integers(-128, 128, (4, 4))
    sixteen = np.clip(eight.astype(np.int64) * 257 + noise, 0, 65535)
    twin = sample_of(Image.fromarray(eight), PLAIN)
    np.testing.assert_array_equal(sample_of(deep(sixteen, kind), PLAIN), twin)


def test_sample_of_16_bits_spans_the_whole_range():
    values = np.array([[0, 128], [32767, 65535]])
    shades = sample_of(deep(values), Preprocessing(size=(2, 2), mean=(0.0,), std=(1.0,)))
    np.testing.assert_array_equal(np.rint(shades[0] * 255), [[0, 0], [127, 255]])


def test_sample_of_a_grey_png_that_pillow_opens_with_32_bits_is_scaled():
    image = Image.fromarray(np.full((4, 4), 65535, np.int32))
    image.format = "PNG"
    assert sample_of(image, PLAIN).min() == 1


@pytest.mark.parametrize(("dtype", "kind"), [("float32", "float"), ("int32", "32-bit")])
def test_image_of_numbers_without_a_range_is_refused(dtype, kind):
    image = encoded(Image.fromarray(np.ones((4, 4), dtype)), "TIFF")
    with pytest.raises(DataError, match=f"x: has {kind} pixels, whose range is not known"):
        read_sample(image, PLAIN, where="x")


def test_file_of_no_known_kind_is_told_without_an_object():
    with pytest.raises(DataError, match="x: not an image that can be read: none of BMP, JPEG") as e:
        read_sample(io.BytesIO(b"GIF87a and so on"), PLAIN, where="x")
    assert "object at" not in str(e.value)
