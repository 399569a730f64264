"""Opens the data that a DATA string names: `open_source("imagenet:DIR")` gives a `DataSource`.

FOLDER or FILE.zip             images in ImageFolder layout: one folder for each class
npz:FILE                       x uint8 [N, H, W, 3] (images) or float [N, ...] (samples), label [N]
digits[:SPLIT]                 scikit-learn's digits, float32 [N, 1, 8, 8] in 0..1
digits32[:SPLIT]               the same, each drawn somewhere on float32 [N, 1, 32, 32]
cifar10[:SPLIT[:DIR]]          CIFAR-10 as torchvision stores it; SPLIT train or test
cifar100[:SPLIT[:DIR]]         CIFAR-100 likewise
imagenet:DIR                   ImageNet validation: class folders, or flat files with a devkit
imagenetv2:DIR                 the three sets of ImageNetV2, merged without duplicates
webdataset:FILE.tar or DIR     shards of NAME.jpg (or another image) and NAME.cls
hf-data:REPO or DIR[:SPLIT]    a Hugging Face data set of images, as parquet files
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..errors import DataError
from .data_source import DataSource, source_of_files, source_of_pixels, source_of_samples
from .image_files import open_image_files
from .plain_data import PLAIN_KINDS

Opener: TypeAlias = Callable[[str, bool], "DataSource"]


def open_source(text: str, *, download: bool = False) -> DataSource:
    """Opens the data that a DATA string names, see the head of this module.

    Args:
        text: DATA.
        download: fetch a known data set that is not there; without it nothing is ever fetched.

    Raises:
        DataError: there is no such data, or it has faults.
    """
    kind, _, rest = text.partition(":")
    if kind in SOURCE_KINDS:
        return replace(SOURCE_KINDS[kind](rest, download), name=text)
    if kind not in PLAIN_KINDS:
        return source_of_files(open_image_files(existing(text)), name=text)
    stored = PLAIN_KINDS[kind](rest, None)
    x = stored.samples(np.arange(stored.n_samples, dtype=np.int64))
    make = source_of_pixels if x.dtype == np.uint8 else source_of_samples
    return make(x, stored.label, name=text, classes=stored.classes)


def existing(text: str) -> Path:
    """The folder or file that a DATA string names.

    Raises:
        DataError: there is no such data.
    """
    path = Path(text)
    if not path.exists():
        names = ", ".join(f"{name}:..." for name in sorted({*PLAIN_KINDS, *SOURCE_KINDS}))
        raise DataError(
            f"no such data: expected a folder or a .zip of images, or one of {names}; got {text!r}"
        )
    return path


def _open_cifar10(rest: str, download: bool) -> DataSource:
    from .cifar import open_cifar  # noqa: PLC0415 - only when asked for

    return open_cifar("cifar10", rest, download=download)


def _open_cifar100(rest: str, download: bool) -> DataSource:
    from .cifar import open_cifar  # noqa: PLC0415 - only when asked for

    return open_cifar("cifar100", rest, download=download)


def _open_imagenet(rest: str, download: bool) -> DataSource:  # noqa: ARG001 - not to be had freely
    from .imagenet import open_imagenet  # noqa: PLC0415 - only when asked for

    return open_imagenet(Path(rest))


def _open_imagenetv2(rest: str, download: bool) -> DataSource:
    from .imagenet import open_imagenetv2  # noqa: PLC0415 - only when asked for

    return open_imagenetv2(Path(rest), download=download)


def _open_webdataset(rest: str, download: bool) -> DataSource:  # noqa: ARG001 - shards are files
    from .shards import open_shards  # noqa: PLC0415 - only when asked for

    return open_shards(Path(rest))


def _open_hf_data(rest: str, download: bool) -> DataSource:
    from .hub_data import open_hub_data  # noqa: PLC0415 - pyarrow is optional

    return open_hub_data(rest, download=download)


SOURCE_KINDS: Mapping[str, Opener] = {
    "cifar10": _open_cifar10,
    "cifar100": _open_cifar100,
    "hf-data": _open_hf_data,
    "imagenet": _open_imagenet,
    "imagenetv2": _open_imagenetv2,
    "webdataset": _open_webdataset,
}
