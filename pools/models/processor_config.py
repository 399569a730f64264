"""What a preprocessor_config.json of transformers states, as a preprocessing of this package.

The steps are those of the image processors that work with Pillow, with which the published weights
were evaluated. Only kinds of processors are taken whose steps are known here; of any other kind,
or with a step that cannot be written down, a model is refused rather than fed wrong images.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import SourceError

REMEDY = "; say how images are prepared with ?preprocessing=FILE.json"
# Pillow's numbers of its filters.
FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALVES = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
# What the processors of each kind do where the file does not say: "is_square" whether a size that
# is one number is that of both sides, or of the shorter one.
WHOLE = {"is_square": True, "do_center_crop": False}
CROPPED = {"is_square": False, "do_center_crop": True, "crop_size": 224}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "Beit": {**WHOLE, **HALVES, "size": 224, "resample": 3},
    "Bit": {**CROPPED, **CLIP, "size": 224, "resample": 3},
    "CLIP": {**CROPPED, **CLIP, "size": 224, "resample": 3},
    "ConvNext": {**WHOLE, **HALVES, "is_square": False, "size": 384, "resample": 3}
    | {"crop_pct": 224 / 256},
    "DeiT": {**CROPPED, **HALVES, "is_square": True, "size": 256, "resample": 3},
    "EfficientNet": {**WHOLE, **HALVES, "size": 346, "resample": 3, "include_top": True},
    "Levit": {**CROPPED, **IMAGENET, "size": 224, "resample": 3},
    "MobileNetV1": {**CROPPED, **HALVES, "size": 256, "resample": 2},
    "MobileNetV2": {**CROPPED, **HALVES, "size": 256, "resample": 2},
    "MobileViT": {**CROPPED, **HALVES, "size": 224, "crop_size": 256, "resample": 3}
    | {"do_normalize": False, "do_flip_channel_order": True},
    "PoolFormer": {**CROPPED, **IMAGENET, "size": 224, "resample": 3, "crop_pct": 0.9},
    "Pvt": {**WHOLE, **IMAGENET, "size": 224, "resample": 3},
    "Segformer": {**WHOLE, **IMAGENET, "size": 512, "resample": 2},
    "Siglip": {**WHOLE, **HALVES, "size": 224, "resample": 3},
    "ViT": {**WHOLE, **HALVES, "size": 224, "resample": 2},
}
ENDING = re.compile(r"(ImageProcessor|FeatureExtractor)(Fast|Pil)?$")
# Steps that change the pixels and that no kind above has.
FOREIGN = ("do_pad", "do_thumbnail", "do_align_long_axis", "do_color_quantize", "size_divisor")
WARPED_FROM = 384


def processor_preprocessing(config: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """The preprocessing (schemas/preprocessing.schema.json) of a preprocessor_config.json.

    Raises:
        SourceError: it is one that cannot be written down here.
    """
    kind, known = _with_defaults(config, where)
    interpolation = FILTERS.get(known["resample"])
    if interpolation is None:
        raise SourceError(f"resample={known['resample']} is not supported{REMEDY}", where=where)
    if not known.get("do_resize", True):
        raise SourceError(f"images of any size are not supported{REMEDY}", where=where)
    size = _size_of(known["size"], is_square=known["is_square"])
    crop = _size_of(known["crop_size"], is_square=True) if known["do_center_crop"] else None
    geometry = RULES.get(kind, _resized)(size, crop, known)
    if geometry is None:
        raise SourceError(
            f"size={size} with crop_size={crop} is not supported{REMEDY}", where=where
        )
    return {
        **geometry,
        "interpolation": interpolation,
        **_arithmetic(known),
        "layout": "nchw",
    }


def is_bgr(config: Mapping[str, Any]) -> bool:
    """Whether the channels are wanted in the order blue, green, red."""
    defaults = KINDS.get(_kind_of(config), {})
    return bool({**defaults, **config}.get("do_flip_channel_order", False))


def _kind_of(config: Mapping[str, Any]) -> str:
    name = config.get("image_processor_type") or config.get("feature_extractor_type") or ""
    return ENDING.sub("", str(name))


def _with_defaults(config: Mapping[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    kind = _kind_of(config)
    if kind not in KINDS:
        names = ", ".join(KINDS)
        raise SourceError(
            f"expected an image processor of the kinds {names}, got {kind or 'none'}{REMEDY}",
            where=where,
        )
    given = {key: value for key, value in config.items() if value is not None}
    foreign = [key for key in FOREIGN if given.get(key)]
    if foreign:
        raise SourceError(f"{foreign[0]} is not supported{REMEDY}", where=where)
    return kind, {**KINDS[kind], **given}


def _size_of(value: Any, *, is_square: bool) -> tuple[int, ...]:
    """Height and width, or the shorter side alone."""
    if isinstance(value, int):
        return (value, value) if is_square else (value,)
    if isinstance(value, (list, tuple)):
        return tuple(int(side) for side in value)
    if set(value) == {"shortest_edge"}:
        return (int(value["shortest_edge"]),)
    return (int(value["height"]), int(value["width"])) if {"height", "width"} <= set(value) else ()


def _resized(
    size: tuple[int, ...], crop: tuple[int, ...] | None, _known: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Resized to `size`, then cropped."""
    if len(size) == 1:
        return _cropped(size[0], crop)
    if len(size) != 2:
        return None
    if crop is None or crop == size:
        return {"size": list(size)}
    share = crop[0] / size[0]
    if tuple(math.floor(side / share) for side in crop) != size:
        return None
    return {"size": list(crop), "crop": share, "squash": True, "crop_offset": "floor"}


def _cropped(shorter_side: int, crop: tuple[int, ...] | None) -> dict[str, Any] | None:
    if crop is None or max(crop) > shorter_side:
        return None
    return {"size": list(crop), "resize": shorter_side, "crop_offset": "floor"}


def _convnext(
    size: tuple[int, ...], crop: tuple[int, ...] | None, known: Mapping[str, Any]
) -> dict[str, Any] | None:
    if len(size) != 1 or crop is not None:
        return None
    if size[0] >= WARPED_FROM:
        return {"size": [size[0], size[0]]}
    return _cropped(int(size[0] / known["crop_pct"]), (size[0], size[0]))


def _poolformer(
    size: tuple[int, ...], crop: tuple[int, ...] | None, known: Mapping[str, Any]
) -> dict[str, Any] | None:
    if len(set(size)) != 1:
        return None
    return _cropped(int(size[0] / known["crop_pct"]), crop)


def _levit(
    size: tuple[int, ...], crop: tuple[int, ...] | None, known: Mapping[str, Any]
) -> dict[str, Any] | None:
    enlarged = (int(256 / 224 * size[0]),) if len(size) == 1 else size
    return _resized(enlarged, crop, known)


Rule = Callable[
    [tuple[int, ...], "tuple[int, ...] | None", Mapping[str, Any]], "dict[str, Any] | None"
]
RULES: Mapping[str, Rule] = {
    "ConvNext": _convnext,
    "Levit": _levit,
    "PoolFormer": _poolformer,
}


def _arithmetic(known: Mapping[str, Any]) -> dict[str, Any]:
    """What the pixels are divided by, less and divided by."""
    scale = 1.0
    if known.get("do_rescale", True):
        exact = 1 / float(known.get("rescale_factor", 1 / 255))
        scale = float(round(exact)) if math.isclose(exact, round(exact)) else exact
    mean, std = [0.0] * 3, [1.0] * 3
    if known.get("do_normalize", True):
        mean, std = ([float(x) for x in known[key]] for key in ("image_mean", "image_std"))
    if known.get("rescale_offset"):
        # Pixels are scaled to -1 .. 1 before all else.
        mean = [1 + x for x in mean]
    if known.get("include_top"):
        # EfficientNet of Keras divides by the deviation twice.
        std = [x * float(y) for x, y in zip(std, known["image_std"], strict=True)]
    return {"scale": scale, "mean": mean, "std": std}
