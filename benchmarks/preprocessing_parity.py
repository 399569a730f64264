"""Our preprocessing against timm's validation loader, for seven families of models.

Prints JSON: for each model the largest difference of a sample's value, and of an output of the
model (random weights) that is fed both. The images are CIFAR-10's, enlarged to several sizes and
proportions, as JPEG files; both sides start from the files. timm's side is what its validate.py
does on a CPU: create_dataset, create_loader, resolve_data_config with the test size.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import warnings
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from cifar10 import machine
from PIL import Image

from encas.data.open_source import open_source
from encas.data.pixels import pixel_steps, read_pixels
from encas.pools.building.build_pool import build_pool
from encas.pools.models.model_runner import preprocessing_of
from encas.pools.models.specs import source_model
from encas.pools.models.timm_models import import_timm
from encas.pools.pool import Pool

MODELS = (
    "resnet18.a1_in1k",
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    "convnext_atto.d2_in1k",
    "dla46_c.in1k",
    "mobilenetv3_small_100.lamb_in1k",
    "tf_efficientnetv2_b0.in1k",
    "dm_nfnet_f0.dm_in1k",
)
SIZES = ((500, 400), (333, 500), (256, 256), (640, 427), (97, 301))
TOLERANCE = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--images", type=int, default=15)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_images(options.data / "cifar10" / "val.zip", folder / "images", options.images)
        rows = [parity(name, folder) for name in MODELS]
    versions = {name: version(name) for name in ("timm", "torch", "pillow")}
    result = {"machine": machine() | versions, "images": options.images, "models": rows}
    print(json.dumps(result, indent=2))
    assert all(row["sample_difference"] == 0 for row in rows), "a sample differs"
    assert all(row["output_difference"] < TOLERANCE for row in rows), "an output differs"


def parity(name: str, folder: Path) -> dict[str, object]:
    """One model: our samples and our pool's outputs beside those of timm's loader."""
    spec = f"timm:{name}?pretrained=false&num_classes=10"
    source = source_model(spec)
    preprocessing = preprocessing_of(source, None)
    data = open_source(str(folder / "images"))
    pixels = read_pixels(data, pixel_steps(preprocessing), 0, data.n_samples)
    ours = preprocessing.normalised(pixels)
    theirs = timm_samples(name, folder / "images")
    build_pool(spec, data=data.name, workers=1, out=folder / name)
    stored = Pool.load(folder / name).outputs[0]
    with torch.inference_mode():
        expected = source.build()(theirs).numpy()
    scale = float(np.abs(expected).max())
    return {
        "model": name,
        "size": list(preprocessing.size),
        "interpolation": preprocessing.interpolation,
        "crop": preprocessing.crop,
        "squash": preprocessing.squash,
        "sample_difference": float(np.abs(ours - theirs.numpy()).max()),
        "output_difference": float(np.abs(stored - expected).max()) / scale,
    }


def timm_samples(name: str, images: Path) -> torch.Tensor:
    """The samples [n, 3, H, W] that timm's validation feeds to the model `name`."""
    timm = import_timm()
    cfg = timm.get_pretrained_cfg(name).to_dict()
    config = timm.data.resolve_data_config(pretrained_cfg=cfg, use_test_size=True)
    loader = timm.data.create_loader(
        timm.data.create_dataset("", root=str(images)),
        input_size=config["input_size"],
        batch_size=8,
        use_prefetcher=False,
        interpolation=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        num_workers=0,
        crop_pct=config["crop_pct"],
        crop_mode=config["crop_mode"],
        device=torch.device("cpu"),
    )
    return torch.cat([x for x, _ in loader])


def write_images(archive: Path, folder: Path, n: int) -> None:
    """Some images of several sizes and proportions, in ImageFolder layout."""
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".jpg"))
        for index, name in enumerate(names[:: len(names) // n][:n]):
            image = Image.open(io.BytesIO(file.read(name)))
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            image.resize(SIZES[index % len(SIZES)], Image.Resampling.BICUBIC).save(path, quality=92)


if __name__ == "__main__":
    main()
