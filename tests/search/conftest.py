"""Pictures and networks that are small enough to build pools of in a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASSES = ("ant", "bee", "cat")
PER_CLASS = 4
NETS = """
import os
import time

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.body = nn.Conv2d(3, width, 3, padding=1)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)).mean(dim=(2, 3)))


class Softmaxed(Net):
    def forward(self, x):
        return super().forward(x).softmax(dim=1)


class Slow(Net):
    def forward(self, x):
        time.sleep(0.03 * len(x))
        return super().forward(x)


class Broken(Net):
    def forward(self, x):
        raise KeyError("a bug of the model's author")


class Dying(Net):
    def forward(self, x):
        os._exit(7)


class Greedy(Net):
    def forward(self, x):
        if len(x) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return super().forward(x)


class Flattening(Net):
    def __init__(self, width, classes):
        super().__init__(width, classes)
        self.head = nn.Linear(64 * width, classes)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)).view(len(x), -1))


class Infinite(Net):
    def forward(self, x):
        return super().forward(x) / 0


STYLES = {style.__name__.lower(): style for style in Net.__subclasses__()} | {"net": Net}


def make(style="net", width=4, classes=3):
    return STYLES[style](width, classes)


def not_a_module():
    return 3
"""


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in ImageFolder layout: 3 classes of 4 noisy pictures of several sizes."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(5)
    for label, name in enumerate(CLASSES):
        (root / name).mkdir()
        for index in range(PER_CLASS):
            shape = (20 + index, 24, 3)
            pixels = rng.integers(0, 128, shape) + np.eye(3, dtype=int)[label] * 100
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(root / name / f"{index}.png")
    return root


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a module `little_nets` and a preprocessing.json in it."""
    (tmp_path / "little_nets.py").write_text(NETS)
    text = '{"size": [8, 8], "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]}'
    (tmp_path / "preprocessing.json").write_text(text)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("little_nets", None)
