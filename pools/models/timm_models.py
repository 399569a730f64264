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
from .hub import first_line, hub_fault, look_for_hub
from .torch_costs import n_parameters, torch_costs
from .torch_models import fixed_seed, load_weights, nn, torch

MISSING_OPERATORS = {
    "torchvision::nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "torchvision::qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
REMEDY = "; or give ?weights=PATH, or ?pretrained=false for random ones"
RESOLUTIONS = ("test", "train")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


@cache
def import_timm() -> ModuleType:
    """The module timm.

    Raises:
        MissingExtraError: it is not installed.
    """
    import_torchvision("timm models", extra="timm")
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise MissingExtraError("timm models", extra="timm") from error


def import_torchvision(feature: str, *, extra: str) -> None:
    """Makes torchvision importable, whatever build of torch it finds.

    Raises:
        MissingExtraError: it is not installed; names the feature that needs it, and its extra.
    """
    try:
        importlib.import_module("torchvision")
    except ImportError as error:
        raise MissingExtraError(feature, extra=extra) from error
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        for name, schema in MISSING_OPERATORS.items():
            torch.library.define(name, schema)


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


def timm_names(pattern: str, *, is_pretrained: bool, has_tags: bool) -> tuple[str, ...]:
    """The timm models that a pattern matches, in timm's order.

    Args:
        pattern: with a dot it is matched with the weights' tag.
        is_pretrained: only models with published weights.
        has_tags: one name for each published weights of a model, even where the pattern has no dot.

    Raises:
        SourceError: none matches.
    """
    timm = import_timm()
    architecture, dot, tag = pattern.partition(".")
    if is_pretrained and (dot or has_tags):
        names = timm.list_pretrained(f"{architecture}.{tag or '*'}")
    else:
        names = timm.list_models(architecture)
    if is_pretrained and not (dot or has_tags):
        names = [name for name in names if timm.is_model_pretrained(name)]
        names = [f"{name}.{timm.get_pretrained_cfg(name).tag}" for name in names]
    if not names:
        raise SourceError("no timm model matches", where=pattern)
    return tuple(names)


def architecture_costs(
    name: str, arguments: Mapping[str, Any], size: tuple[int, ...] | None, *, where: str
) -> Mapping[str, float]:
    """The params of a timm model, made without any weights, and its macs at a size.

    Args:
        name: the model.
        arguments: of timm.create_model.
        size: height and width; None: the macs are not wanted, which takes a third of the time.
        where: the SPEC, for errors.

    Raises:
        SourceError: timm cannot make the model.
    """
    chosen = {**arguments, "pretrained": False}
    try:
        with torch.device("meta"):
            module = import_timm().create_model(name, **chosen).eval()
            if size is None:
                return {"params": n_parameters(module)}
            return torch_costs(module, torch.zeros(1, 3, *size))
    except (RuntimeError, TypeError, ValueError) as cause:
        raise SourceError(f"timm cannot make this model: {cause}", where=where) from cause


def timm_preprocessing(name: str, *, resolution: str = "test", where: str) -> dict[str, Any]:
    """The preprocessing that timm's data config states for `name`.

    Args:
        name: the model.
        resolution: "test": what timm's own validation uses, which is larger for some models than
            what they were trained at ("train").
        where: the SPEC, for errors.

    Raises:
        SourceError: it is one that cannot be written down here.
    """
    if resolution not in RESOLUTIONS:
        known = " or ".join(RESOLUTIONS)
        raise SourceError(f"resolution must be {known}, got {resolution!r}", where=where)
    pretrained = import_timm().get_pretrained_cfg(name)
    config = pretrained.to_dict() if pretrained else {}
    return preprocessing_of_config(config, resolution=resolution, where=where)


def preprocessing_of_config(
    pretrained_cfg: Mapping[str, Any], *, resolution: str = "test", where: str
) -> dict[str, Any]:
    """The preprocessing that a timm configuration (`pretrained_cfg`) states.

    Raises:
        SourceError: it is one that cannot be written down here.
    """
    config = import_timm().data.resolve_data_config(
        pretrained_cfg=dict(pretrained_cfg), use_test_size=resolution == "test"
    )
    mode = config.get("crop_mode") or "center"
    if mode not in ("center", "squash") or config["interpolation"] not in INTERPOLATIONS:
        raise SourceError(
            f"crop mode {mode!r} with interpolation {config['interpolation']!r} is not supported",
            where=where,
        )
    crop = config["crop_pct"]
    # At a crop of 1, squashing is resizing to the size that is wanted.
    resizing = {"crop": crop} if mode == "center" else {"crop": crop, "squash": True}
    return {
        "size": list(config["input_size"][1:]),
        **({} if mode == "squash" and crop == 1 else resizing),
        "interpolation": config["interpolation"],
        "mean": list(config["mean"]),
        "std": list(config["std"]),
        "layout": "nchw",
    }


def _build(name: str, arguments: Mapping[str, Any], weights: Path | None, where: str) -> nn.Module:
    timm = import_timm()
    repository = getattr(timm.get_pretrained_cfg(name), "hf_hub_id", None) or name
    if arguments["pretrained"]:
        look_for_hub()
    with fixed_seed():
        try:
            module = timm.create_model(name, **arguments)
        except (RuntimeError, TypeError, OSError, ValueError) as cause:
            fault = hub_fault(cause, repository)
            fault = fault + REMEDY if fault else f"timm cannot make this model: {first_line(cause)}"
            raise SourceError(fault, where=where) from cause
    if weights is not None:
        load_weights(module, weights, where=where)
    return module.eval().requires_grad_(requires_grad=False)


def imagenet_synsets() -> tuple[str, ...]:
    """The names (n01440764, ...) of ImageNet's 1,000 classes, in the order of the outputs."""
    import_timm()
    info = importlib.import_module("timm.data").ImageNetInfo("imagenet-1k")
    return tuple(info.label_names())
