"""Our samples are those of timm's validation loader, bit for bit."""

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from encas.data.open_source import open_source  # noqa: E402
from encas.data.pixels import pixel_steps, read_pixels  # noqa: E402
from encas.pools.models.model_runner import preprocessing_of  # noqa: E402
from encas.pools.models.specs import source_model  # noqa: E402
from encas.pools.models.timm_models import import_timm  # noqa: E402

pytestmark = pytest.mark.torch
NAMES = (
    "resnet50.a1_in1k",
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    "dla46_c.in1k",
    "convnext_atto.d2_in1k",
    "dm_nfnet_f0.dm_in1k",
    "tf_efficientnetv2_m.in1k",
    "beit_base_patch16_224.in22k_ft_in22k_in1k",
)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Smooth noise in several sizes and proportions, as JPEG files."""
    root = tmp_path_factory.mktemp("photographs")
    (root / "some").mkdir()
    rng = np.random.default_rng(8)
    for index, size in enumerate([(300, 200), (201, 333), (150, 150), (97, 301)]):
        noise = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        noise.resize(size, Image.Resampling.BICUBIC).save(root / "some" / f"{index}.jpg")
    return root


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_those_of_timms_validation(photographs, name):
    timm = import_timm()
    config = timm.data.resolve_data_config(
        pretrained_cfg=timm.get_pretrained_cfg(name).to_dict(), use_test_size=True
    )
    transform = timm.data.create_transform(**config)
    expected = []
    for path in sorted(photographs.rglob("*.jpg")):
        # timm's own data set leaves the file open.
        with Image.open(path) as image:
            expected.append(transform(image.convert("RGB")).numpy())
    preprocessing = preprocessing_of(source_model(f"timm:{name}?pretrained=false"), None)
    pixels = read_pixels(open_source(str(photographs)), pixel_steps(preprocessing), 0, 4)
    np.testing.assert_array_equal(preprocessing.normalised(pixels), np.stack(expected))
