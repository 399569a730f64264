"""Image classifiers of the Hugging Face hub, or of a folder like one of its repositories.

A repository whose config.json names a timm architecture is built by timm, any other by
transformers. What is in the hub's cache is not fetched again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import MissingExtraError, SourceError
from ...files import read_json
from .timm_models import import_timm, preprocessing_of_config
from .torch_models import load_weights, nn

try:
    import huggingface_hub
    from huggingface_hub import errors as hub_errors
except ImportError as error:
    raise MissingExtraError("models of the Hugging Face hub", extra="timm") from error

# Pillow's numbers of its filters, as preprocessor_config.json states them.
FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


def hub_model(
    target: str, arguments: Mapping[str, Any], weights: Path | None, *, where: str
) -> dict[str, Any]:
    """What a `SourceModel` needs of a classifier of the hub: build, preprocessing, classes.

    Args:
        target: a repository, or a folder that looks like one.
        arguments: passed on to timm.create_model or from_pretrained.
        weights: a file with other weights, or None.
        where: the SPEC, for errors.

    Raises:
        SourceError: there is no such repository, it is gated, or it is no image classifier.
    """
    config = _json_of(target, "config.json", where)
    if "architecture" in config:
        pretrained = {**config, **config.get("pretrained_cfg", {})}
        return {
            "build": partial(_build_timm, target, arguments, weights, where),
            "preprocessing": preprocessing_of_config(pretrained, where=where),
            "classes": _names(config.get("label_names")),
        }
    kinds = config.get("architectures") or []
    if not any(str(kind).endswith("ForImageClassification") for kind in kinds):
        raise SourceError(f"expected an image classifier, got {kinds or 'no model'}", where=where)
    labels = config.get("id2label") or {}
    return {
        "build": partial(_build_transformers, target, arguments, weights, where),
        "preprocessing": transformers_preprocessing(
            _json_of(target, "preprocessor_config.json", where), where=where
        ),
        "classes": _names([labels[key] for key in sorted(labels, key=int)]),
    }


def transformers_preprocessing(config: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """The preprocessing that a preprocessor_config.json states.

    Raises:
        SourceError: it is one that cannot be written down here.
    """
    size: Any = config.get("size", {})
    size = {"shortest_edge": size} if isinstance(size, int) else dict(size)
    edge = size.get("shortest_edge")
    crop: Any = config.get("crop_size")
    crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
    interpolation = FILTERS.get(config.get("resample", 2))
    if interpolation is None or not (edge or "height" in size) or "longest_edge" in size:
        raise SourceError(f"a preprocessing of {config} is not supported", where=where)
    wanted: dict[str, Any]
    if edge and "crop_pct" in config:
        # ConvNeXT: below 384 pixels resize to edge / crop_pct and crop, above simply resize.
        wanted = {"size": [edge, edge]} | (
            {"resize": int(edge / config["crop_pct"])} if edge < 384 else {}
        )
    elif edge:
        box = (
            crop if config.get("do_center_crop", True) and crop else {"height": edge, "width": edge}
        )
        wanted = {"size": [box["height"], box["width"]], "resize": edge}
    elif config.get("do_center_crop") and crop and dict(crop) != size:
        raise SourceError(f"a preprocessing of {config} is not supported", where=where)
    else:
        wanted = {"size": [size["height"], size["width"]]}
    is_normalised = config.get("do_normalize", True)
    return wanted | {
        "interpolation": interpolation,
        "scale": _scale(config),
        "mean": list(config["image_mean"]) if is_normalised else [0.0] * 3,
        "std": list(config["image_std"]) if is_normalised else [1.0] * 3,
        "layout": "nchw",
    }


def _scale(config: Mapping[str, Any]) -> float:
    if not config.get("do_rescale", True):
        return 1.0
    scale = 1 / float(config.get("rescale_factor", 1 / 255))
    return float(round(scale)) if math.isclose(scale, round(scale)) else scale


def _build_timm(
    target: str, arguments: Mapping[str, Any], weights: Path | None, where: str
) -> nn.Module:
    timm = import_timm()
    prefix = "local-dir" if Path(target).is_dir() else "hf-hub"
    chosen = {"pretrained": weights is None, **arguments}
    make: Callable[[], nn.Module] = partial(timm.create_model, f"{prefix}:{target}", **chosen)
    return _made(make, weights, where)


def _build_transformers(
    target: str, arguments: Mapping[str, Any], weights: Path | None, where: str
) -> nn.Module:
    from .transformers_models import transformers_model  # noqa: PLC0415 - optional

    return _made(partial(transformers_model, target, arguments), weights, where)


def _made(make: Callable[[], nn.Module], weights: Path | None, where: str) -> nn.Module:
    try:
        module = make()
    except (RuntimeError, TypeError, OSError, ValueError) as cause:
        raise SourceError(f"cannot be built: {_first_line(cause)}", where=where) from cause
    if weights is not None:
        load_weights(module, weights, where=where)
    return module.eval().requires_grad_(requires_grad=False)


def _json_of(target: str, file: str, where: str) -> dict[str, Any]:
    if Path(target).is_dir():
        content: Any = read_json(Path(target) / file, error=SourceError)
    else:
        content = read_json(_fetched(target, file, where), error=SourceError)
    if not isinstance(content, dict):
        raise SourceError(f"{file}: expected an object", where=where)
    return content


def _fetched(repository: str, file: str, where: str) -> Path:
    try:
        return Path(huggingface_hub.hf_hub_download(repository, file))
    except hub_errors.GatedRepoError as cause:
        raise SourceError(
            f"{repository} is gated: ask for access on its page, then `hf auth login`", where=where
        ) from cause
    except hub_errors.RepositoryNotFoundError as cause:
        raise SourceError(
            f"the hub has no repository {repository} (or it is private: `hf auth login`)",
            where=where,
        ) from cause
    except hub_errors.EntryNotFoundError as cause:
        raise SourceError(
            f"{file} is neither in the hub's cache nor can it be fetched: where there is a "
            f"network, `hf download {repository}`, and copy the cache's folder "
            f"models--{repository.replace('/', '--')} into {_cache_folder()}",
            where=where,
        ) from cause
    except (OSError, ValueError) as cause:
        message = f"{file} cannot be fetched: {_first_line(cause)}"
        raise SourceError(message, where=where) from cause


def _cache_folder() -> str:
    return str(huggingface_hub.constants.HF_HUB_CACHE)


def _names(labels: Any) -> tuple[str, ...] | None:
    if isinstance(labels, Mapping):
        labels = list(labels.values())
    return tuple(str(label) for label in labels) if labels else None


def _first_line(cause: Exception) -> str:
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
