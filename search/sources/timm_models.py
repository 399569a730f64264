"""timm models, and the one trap on the way to them.

PyPI's torchvision is built for CUDA. Beside a CPU build of torch its import, and so timm's, fails
with "operator torchvision::nms does not exist", though nothing here needs that operator. Declaring
the two operators that are missing cures it.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from ...errors import MissingExtraError, SourceError
from .torch_models import load_weights, nn, torch

MISSING_OPERATORS = {
    "torchvision::nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "torchvision::qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


@cache
def import_timm() -> ModuleType:
    """The module timm.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        importlib.import_module("torchvision")
    except ImportError as error:
        raise MissingExtraError("timm models", extra="timm") from error
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        for name, schema in MISSING_OPERATORS.items():
            torch.library.define(name, schema)
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise MissingExtraError("timm models", extra="timm") from error


def timm_builder(
    name: str, arguments: Mapping[str, Any], weights: Path | None, *, where: str
) -> Callable[[], nn.Module]:
    """What builds the timm model `name`: with its published weights unless others are given.

    Raises:
        SourceError: timm has no such model.
    """
    timm = import_timm()
    architecture = name.partition(".")[0]
    if not timm.is_model(architecture):
        close = difflib.get_close_matches(architecture, timm.list_models(), n=4)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise SourceError(f"timm has no model {name!r}{hint}", where=where)
    chosen = {"pretrained": weights is None, **arguments}
    return partial(_build, name, chosen, weights, where)


def timm_preprocessing(name: str, *, where: str) -> dict[str, Any]:
    """The preprocessing that timm's data config states for `name`.

    Raises:
        SourceError: it is one that cannot be written down here.
    """
    timm = import_timm()
    pretrained = timm.get_pretrained_cfg(name)
    config = timm.data.resolve_data_config(
        pretrained_cfg=pretrained.to_dict() if pretrained else {}
    )
    size = list(config["input_size"][1:])
    mode = config.get("crop_mode") or "center"
    is_squash = mode == "squash" and config["crop_pct"] == 1
    if not (mode == "center" or is_squash) or config["interpolation"] not in INTERPOLATIONS:
        raise SourceError(
            f"crop mode {mode!r} with interpolation {config['interpolation']!r} is not supported",
            where=where,
        )
    return {
        "size": size,
        **({} if is_squash else {"crop": config["crop_pct"]}),
        "interpolation": config["interpolation"],
        "mean": list(config["mean"]),
        "std": list(config["std"]),
        "layout": "nchw",
    }


def _build(name: str, arguments: Mapping[str, Any], weights: Path | None, where: str) -> nn.Module:
    timm = import_timm()
    try:
        module = timm.create_model(name, **arguments)
    except (RuntimeError, TypeError, OSError) as cause:
        raise SourceError(f"timm cannot make this model: {cause}", where=where) from cause
    if weights is not None:
        load_weights(module, weights, where=where)
    return module.eval().requires_grad_(requires_grad=False)
