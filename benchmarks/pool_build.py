"""Builds a pool of 30 timm architectures: killed and resumed, spread, and against a plain loop.

Prints JSON. The images are CIFAR-10's, enlarged to 500 x 400 pixels as photographs are; the weights
are random. Shown, each in this one run:

* a build that is killed (SIGKILL) five times and resumed stores the same bytes as one that is not;
* so does a Ray cluster, where Ray is installed;
* images per second of the build, its start and all, against a plain loop over the models: timm's
  own transforms and loader, torch with its default threads, the same images.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cifar10 import machine, median
from PIL import Image

MODELS = (
    *("test_resnet", "test_efficientnet", "test_vit", "test_convnext", "test_byobnet"),
    *("test_mambaout", "test_nfnet", "test_vit2", "test_convnext2", "test_efficientnet_gn"),
    *("mobilenetv3_small_050", "mobilenetv3_small_075", "mobilenetv3_small_100"),
    *("tf_mobilenetv3_small_minimal_100", "tf_mobilenetv3_small_075", "lcnet_050", "lcnet_075"),
    *("lcnet_100", "mobilenetv2_035", "mobilenetv2_050", "tinynet_e", "tinynet_d", "mnasnet_small"),
    *("ghostnet_100", "mobilevitv2_050", "edgenext_xx_small", "xcit_nano_12_p16_224"),
    *("levit_128s", "efficientvit_b0", "regnetx_002"),
)
SIZE = (500, 400)
COMMAND = "import sys; from encas.cli import main; main(sys.argv[1:])"
TIMEOUT_S = 1800


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models", type=int, default=len(MODELS))
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3, help="of build and loop, in turns")
    parser.add_argument("--no-ray", action="store_true")
    options = parser.parse_args()
    names = MODELS[: options.models]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_images(options.data / "cifar10" / "val.zip", folder / "images", options.images)
        result = measure(folder, names, options)
        if not options.no_ray and importlib.util.find_spec("ray"):
            build(folder, names, "ray", "--ray", "local")
            result["ray_identical"] = files_of(folder, "ray") == files_of(folder, "whole")
    print(json.dumps(result, indent=2))
    assert result["killed_identical"], "a killed and resumed build stored other bytes"
    assert result.get("ray_identical", True), "a Ray cluster stored other bytes"
    assert result["speedup"] > 1, "the build is slower than a plain loop"


def measure(folder: Path, names: tuple[str, ...], options: argparse.Namespace) -> dict[str, Any]:
    """The killed build, the whole one and the plain loop, one after the other."""
    n_lost = killed(folder, names, options.kills)
    seconds = [(build(folder, names, "whole"), plain_loop(folder, names))]
    for run in range(1, options.runs):
        seconds.append((build(folder, names, f"run{run}"), plain_loop(folder, names)))
    build_s, loop_s = (median(column) for column in zip(*seconds, strict=True))
    ratios = [loop / built for built, loop in seconds]
    total = len(names) * options.images
    return {
        "machine": machine() | {name: version(name) for name in ("timm", "torch")},
        "models": len(names),
        "images": options.images,
        "processors": len(os.sched_getaffinity(0)),
        "kills": options.kills,
        "models_lost_by_kills": n_lost,
        "killed_identical": files_of(folder, "killed") == files_of(folder, "whole"),
        "seconds_of_build_and_loop": [[round(s, 2) for s in pair] for pair in seconds],
        "build_images_per_s": round(total / build_s, 1),
        "plain_loop_images_per_s": round(total / loop_s, 1),
        "speedup": round(median(ratios), 3),
        "speedup_range": [round(min(ratios), 3), round(max(ratios), 3)],
    }


def write_images(archive: Path, folder: Path, n: int) -> None:
    """The first images of each class, enlarged, in ImageFolder layout."""
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".jpg"))
        classes = sorted({name.partition("/")[0] for name in names})
        for label in classes:
            (folder / label).mkdir(parents=True)
            own = [name for name in names if name.startswith(f"{label}/")]
            for name in own[: n // len(classes)]:
                image = Image.open(io.BytesIO(file.read(name)))
                image.resize(SIZE, Image.Resampling.BICUBIC).save(folder / name, quality=90)


def command(names: tuple[str, ...], out: str, *further: str) -> list[str]:
    """A build in a process of its own."""
    specs = [f"{name}=timm:{name}?pretrained=false&num_classes=10" for name in names]
    words = [word for spec in specs for word in ("--model", spec)]
    place = ["--data", "images", "--out", f"{out}/pool"]
    return [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        COMMAND,
        "pool",
        "build",
        *words,
        *place,
        *further,
    ]


def build(folder: Path, names: tuple[str, ...], out: str, *further: str) -> float:
    """Seconds of one build that nobody disturbs."""
    start = time.perf_counter()
    subprocess.run(
        command(names, out, *further),
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=TIMEOUT_S,
    )
    return time.perf_counter() - start


def killed(folder: Path, names: tuple[str, ...], n_kills: int) -> int:
    """A build that is killed whenever a share of the models is done; returns the models lost."""
    n_lost, seen = 0, set[str]()
    for kill in range(1, n_kills + 1):
        wanted = kill * len(names) // (n_kills + 1)
        process = subprocess.Popen(
            command(names, "killed"),
            cwd=folder,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        while process.poll() is None and len(stored(folder / "killed" / "pool")) < wanted:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode == -signal.SIGKILL, "the build ended before it was killed"
        there = stored(folder / "killed" / "pool")
        n_lost, seen = n_lost + len(seen - there), there
    build(folder, names, "killed")
    return n_lost


def stored(pool: Path) -> set[str]:
    """The models that are in a pool so far."""
    try:
        return {m["name"] for m in json.loads((pool / "pool.json").read_text())["models"]}
    except FileNotFoundError:
        return set()


def files_of(folder: Path, out: str) -> dict[str, bytes]:
    """Every file of a pool but what is said of the build."""
    root = folder / out / "pool"
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in files
        if path.name != "build.json"
    }


def plain_loop(folder: Path, names: tuple[str, ...]) -> float:
    """Seconds of a loop over the models in a process of its own, its start and all."""
    start = time.perf_counter()
    script = [sys.executable, "-W", "ignore", "-c", PLAIN_LOOP, *names]
    subprocess.run(script, cwd=folder, check=True, timeout=TIMEOUT_S)
    return time.perf_counter() - start


PLAIN_LOOP = """
import sys

from encas.pools.models.timm_models import import_timm

timm = import_timm()
import torch
from timm.data import ImageDataset, create_transform, resolve_data_config

for name in sys.argv[1:]:
    model = timm.create_model(name, num_classes=10).eval()
    config = resolve_data_config(model=model, use_test_size=True)
    data = ImageDataset("images", transform=create_transform(**config))
    loader = torch.utils.data.DataLoader(data, batch_size=32)
    with torch.inference_mode():
        outputs = torch.cat([model(x) for x, _ in loader])
    assert outputs.shape == (len(data), 10)
"""


if __name__ == "__main__":
    main()
