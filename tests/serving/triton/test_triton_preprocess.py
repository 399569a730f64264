import io
import json

import numpy as np
from fake_triton import HOW, FakeTriton, written
from PIL import Image
from view_bundle import steps_of

from encas.data.images import sample_of_pixels
from encas.data.preprocessing import Preprocessing


def test_preprocessing_makes_samples_and_refuses_what_is_no_image(
    triton, loaded, pictured, tmp_path
):
    model = loaded(written(pictured, tmp_path, layout="ensemble"), "three_preprocess")
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    good = {"image": np.array([[buffer.getvalue()]] * 2, object)}
    bad = {"image": np.array([[b"nonsense"]], object)}
    whole, broken, raw = model.execute([good, bad, {"image": pixels[None]}])
    expected = sample_of_pixels(pixels, Preprocessing.of(HOW))
    np.testing.assert_array_equal(whole.tensors["input"], np.stack([expected] * 2))
    np.testing.assert_array_equal(raw.tensors["input"], expected[None])
    assert broken.has_error()
    assert "not an image that can be read" in broken.error().message()
    assert broken.error().code == FakeTriton.TritonError.INVALID_ARG


def test_preprocessing_gives_the_type_of_its_configuration(own_module, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "input.preprocessing.json").write_text(json.dumps(HOW))
    model = own_module("triton_preprocess").TritonPythonModel()
    config = {"output": [{"name": "input", "data_type": "TYPE_FP16"}]}
    place = {"model_repository": str(tmp_path), "model_version": "1"}
    model.initialize({"model_config": json.dumps(config), **place})
    pixels = np.full((2, 4, 4, 3), 255, np.uint8)
    (response,) = model.execute([{"image": pixels}])
    found = response.tensors["input"]
    assert (found.dtype, found.shape) == (np.float16, (2, 1, 4, 4))
    assert set(found.ravel().tolist()) == {2.0}


def test_preprocessing_prepares_an_image_for_every_input(triton, loaded, view_bundles, tmp_path):
    repository = written(view_bundles / "both", tmp_path, layout="ensemble")
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    model = loaded(repository, "both_preprocess")
    good, bad = model.execute([{"image": pixels[None]}, {"image": np.array([[b"no"]], object)}])
    assert list(good.tensors) == ["input", "input_2"]
    for name, size in (("input", 4), ("input_2", 6)):
        expected = sample_of_pixels(pixels, Preprocessing.of(steps_of(size)))
        np.testing.assert_array_equal(good.tensors[name], expected[None])
    assert bad.has_error()
