"""What transformers does to an image is what we do, bit for bit, or the model is refused."""

import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from encas.data.images import sample_of
from encas.data.preprocessing import Preprocessing
from encas.errors import SourceError
from encas.pools.models.processor_config import (
    KINDS,
    is_bgr,
    processor_preprocessing,
)
from encas.pools.models.timm_models import import_timm

VARIANTS = [
    *((kind, {}) for kind in KINDS if kind != "MobileViT"),
    ("ViT", {"size": 96}),
    ("ViT", {"do_rescale": False, "do_normalize": False}),
    ("Beit", {"size": 256, "do_center_crop": True, "crop_size": 224}),
    ("Bit", {"size": {"shortest_edge": 255}}),
    ("ConvNext", {"size": 224}),
    ("ConvNext", {"size": {"shortest_edge": 288}, "crop_pct": 0.95}),
    ("EfficientNet", {"include_top": False, "rescale_offset": True, "rescale_factor": 1 / 127.5}),
    ("EfficientNet", {"resample": 0, "size": {"height": 224, "width": 224}}),
    ("MobileViT", {"size": {"shortest_edge": 288}, "resample": 2}),
    ("PoolFormer", {"size": {"height": 224, "width": 224}, "crop_pct": 0.95}),
]


@pytest.fixture(scope="module")
def transformers():
    import_timm()
    return pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def images():
    """Smooth noise whose sides leave odd numbers of pixels to be cropped."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    return [noise.resize(size, Image.Resampling.BICUBIC) for size in ((333, 500), (301, 97))]


@pytest.mark.parametrize(("kind", "given"), VARIANTS)
@pytest.mark.parametrize("is_complete", [False, True])
def test_samples_are_those_of_transformers(transformers, images, kind, given, is_complete):
    processor = getattr(transformers, f"{kind}ImageProcessorPil")(**given)
    config = {"feature_extractor_type": f"{kind}FeatureExtractor", **given}
    if is_complete:
        config = json.loads(processor.to_json_string())
    ours = Preprocessing.of(processor_preprocessing(config, where=""))
    for image in images:
        sample = sample_of(image, ours)
        expected = processor(image, return_tensors="np")["pixel_values"][0]
        np.testing.assert_array_equal(sample[::-1] if is_bgr(config) else sample, expected)


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({}, "expected an image processor of the kinds Beit, .*, got none; say how"),
        ({"image_processor_type": "TextNetImageProcessor"}, "got TextNet; say how images are"),
        ({"image_processor_type": "ViTImageProcessor", "do_pad": True}, "do_pad is not supported"),
        ({"image_processor_type": "ViTImageProcessor", "resample": 5}, "resample=5 is not"),
        ({"image_processor_type": "ViTImageProcessor", "do_resize": False}, "images of any size"),
        (
            {"image_processor_type": "CLIPImageProcessor", "size": {"longest_edge": 300}},
            r"size=\(\) with crop_size=\(224, 224\) is not supported",
        ),
        (
            {"image_processor_type": "MobileViTImageProcessorFast"},
            r"size=\(224,\) with crop_size=\(256, 256\) is not supported",
        ),
        (
            {"image_processor_type": "DeiTImageProcessor", "crop_size": [224, 200]},
            r"size=\(256, 256\) with crop_size=\(224, 200\) is not supported",
        ),
        ({"image_processor_type": "ConvNextImageProcessor", "size": [9, 8]}, "size=.9, 8. with"),
        ({"image_processor_type": "PoolFormerImageProcessor", "size": [9, 8]}, "size=.9, 8. with"),
    ],
)
def test_what_cannot_be_written_down_is_refused(config, fault):
    with pytest.raises(SourceError, match=fault):
        processor_preprocessing(config, where="")
