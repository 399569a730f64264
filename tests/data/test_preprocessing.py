import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from encas.data.preprocessing import EXAMPLE, Preprocessing
from encas.errors import DataError
from encas.schema import load_schema

ROOT = Path(__file__).resolve().parent.parent.parent


def test_preprocessing_of_json_is_what_it_says(tmp_path):
    content = {
        "size": [4, 6], "resize": 8, "interpolation": "bicubic", "scale": 255,
        "mean": [0.5], "std": [0.25], "layout": "nhwc",
    }  # fmt: skip
    (tmp_path / "p.json").write_text(json.dumps(content))
    loaded = Preprocessing.load(tmp_path / "p.json")
    assert loaded == Preprocessing.of(content)
    assert loaded.size == (4, 6)
    assert (loaded.n_channels, loaded.sample_shape) == (1, (4, 6, 1))
    assert Preprocessing(size=(4, 6)).sample_shape == (3, 4, 6)


@pytest.mark.parametrize(
    ("values", "size", "resized"),
    [
        ({}, (100, 50), (24, 24)),
        ({"resize": 32}, (100, 50), (64, 32)),
        ({"resize": 32}, (50, 99), (32, 63)),
        ({"crop": 0.75}, (100, 50), (64, 32)),
        ({"crop": 1.0}, (24, 24), (24, 24)),
        ({"crop": 0.75, "squash": True}, (100, 50), (32, 32)),
    ],
)
def test_resized_is_the_size_before_the_crop(values, size, resized):
    assert Preprocessing(size=(24, 24), **values).resized(size) == resized


def test_normalised_pixels_are_divided_shifted_and_scaled():
    pixels = np.array([[[0, 51, 255]], [[255, 0, 102]]], np.uint8)
    preprocessing = Preprocessing(size=(2, 1), mean=(0.0, 0.2, 0.5), std=(1.0, 0.5, 0.25))
    sample = preprocessing.normalised(pixels)
    assert sample.dtype == np.float32
    assert sample.shape == (3, 2, 1)
    assert sample[:, :, 0] == pytest.approx(np.array([[0, 1], [0, -0.4], [2, -0.4]]), abs=1e-6)
    nhwc = Preprocessing(size=(2, 1), mean=preprocessing.mean, std=preprocessing.std, layout="nhwc")
    assert np.array_equal(nhwc.normalised(pixels), sample.transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "lacks the key 'size'"),
        ({"size": [8]}, "size has 1 items"),
        ({"size": [8, 8], "crop": 0}, "crop must be above 0"),
        ({"size": [8, 8], "interpolation": "area"}, "interpolation must be one of"),
        ({"size": [8, 8], "std": [0.0]}, "must be above 0"),
        ({"size": [8, 8], "colour": "rgb"}, "unknown key 'colour'"),
        ({"size": [8, 8], "mean": [0.1]}, "mean has 1 numbers, std has 3"),
        ({"size": [8, 8], "mean": [0, 0], "std": [1, 1]}, "1, 3 or 4 channels"),
        ({"size": [8, 8], "resize": 9, "crop": 0.5}, "give resize or crop, not both"),
    ],
)
def test_preprocessing_with_faults_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        Preprocessing.of(content)


@pytest.mark.parametrize(
    ("values", "n_doubts"),
    [
        ({"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}, 0),
        ({}, 0),
        ({"mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4)}, 1),
        ({"mean": (0.0, 0.0, 0.0), "std": (255.0, 255.0, 255.0)}, 1),
        ({"mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4), "scale": 1.0}, 0),
    ],
)
def test_pixels_that_are_divided_twice_are_doubted(values, n_doubts):
    doubts = Preprocessing(size=(8, 8), **values).doubts()
    assert len(doubts) == n_doubts
    assert all("say scale 1, or divide mean and std by 255" in doubt for doubt in doubts)


@pytest.mark.parametrize("content", [{}, {"size": [8, 8], "resize": 9, "crop": 0.5}, []])
def test_error_shows_an_example_that_is_right(content):
    with pytest.raises(DataError, match=r"p.json: .*; an example: \{") as caught:
        Preprocessing.of(content, where="p.json")
    shown = EXAMPLE[EXAMPLE.index("{") : EXAMPLE.index("}") + 1]
    assert shown in str(caught.value)
    assert Preprocessing.of(json.loads(shown)).size == (224, 224)


def test_page_and_schema_name_every_key_and_its_default():
    page = (ROOT / "docs" / "preprocessing.md").read_text()
    block = page[page.index("```json") + 7 : page.index("```\n", page.index("```json") + 7)]
    assert Preprocessing.of(json.loads(block)).crop == 0.875
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    properties = load_schema("preprocessing")["properties"]
    assert [row.split("`")[1] for row in rows] == list(properties)
    assert list(properties) == [field.name for field in fields(Preprocessing)]
    assert all(one["description"].endswith(".") for one in properties.values())
