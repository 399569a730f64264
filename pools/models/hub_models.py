"""Image classifiers of the Hugging Face hub, or of a folder like one of its repositories.

A repository whose config.json names a timm architecture is built by timm, any other by
transformers. What is in the hub's cache is not fetched again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import MissingExtraError, SourceError
from ...files import read_json
from .hub import first_line, hub_fault, look_for_hub
from .processor_config import is_bgr, processor_preprocessing
from .timm_models import import_timm, preprocessing_of_config
from .torch_models import load_weights, nn

try:
    import huggingface_hub
except ImportError as error:
    raise MissingExtraError("models of the Hugging Face hub", extra="timm") from error

CLASSIFIER = "ForImageClassification"


def hub_model(
    target: str,
    arguments: Mapping[str, Any],
    weights: Path | None,
    preprocessing: Mapping[str, Any] | None,
    *,
    where: str,
) -> dict[str, Any]:
    """What a `SourceModel` needs of a classifier of the hub: build, preprocessing, classes.

    Args:
        target: a repository, REPO or REPO@REVISION, or a folder that looks like one.
        arguments: passed on to timm.create_model.
        weights: a file with other weights, or None.
        preprocessing: what the user states; None: what the repository states.
        where: the SPEC, for errors.

    Raises:
        SourceError: there is no such repository, it is gated, or it is no image classifier.
    """
    config = _json_of(target, "config.json", where)
    if "architecture" in config:
        pretrained = {**config, **config.get("pretrained_cfg", {})}
        return {
            "build": partial(_build_timm, target, arguments, weights, where),
            "preprocessing": preprocessing or preprocessing_of_config(pretrained, where=where),
            "classes": _names(config.get("label_names")),
        }
    kinds = config.get("architectures") or []
    if not any(CLASSIFIER in str(kind) for kind in kinds):
        raise SourceError(f"expected an image classifier, got {kinds or 'no model'}", where=where)
    if arguments:
        raise SourceError("a model of transformers takes no arguments", where=where)
    processor = {} if preprocessing else _json_of(target, "preprocessor_config.json", where)
    build = partial(_build_transformers, target, weights, where, is_bgr=is_bgr(processor))
    labels = config.get("id2label") or {}
    return {
        "build": build,
        "preprocessing": preprocessing or processor_preprocessing(processor, where=where),
        "classes": _names([labels[key] for key in sorted(labels, key=int)]),
    }


def _build_timm(
    target: str, arguments: Mapping[str, Any], weights: Path | None, where: str
) -> nn.Module:
    timm = import_timm()
    prefix = "local-dir" if Path(target).is_dir() else "hf-hub"
    chosen = {"pretrained": weights is None, **arguments}
    make: Callable[[], nn.Module] = partial(timm.create_model, f"{prefix}:{target}", **chosen)
    return _made(make, target, weights, where)


def _build_transformers(
    target: str, weights: Path | None, where: str, *, is_bgr: bool
) -> nn.Module:
    import_timm()  # so that torchvision can be imported, which transformers does, too
    from .transformers_models import transformers_model  # noqa: PLC0415 - optional

    place, _, revision = _parted(target)
    make = partial(transformers_model, place, revision or None, is_bgr=is_bgr)
    return _made(make, target, weights, where)


def _made(
    make: Callable[[], nn.Module], target: str, weights: Path | None, where: str
) -> nn.Module:
    try:
        module = make()
    except (RuntimeError, TypeError, OSError, ValueError) as cause:
        fault = hub_fault(cause, target) or f"cannot be built: {first_line(cause)}"
        raise SourceError(fault, where=where) from cause
    if weights is not None:
        load_weights(module, weights, where=where)
    return module.eval().requires_grad_(requires_grad=False)


def _json_of(target: str, file: str, where: str) -> dict[str, Any]:
    is_folder = Path(target).is_dir()
    path = Path(target) / file if is_folder else _fetched(target, file, where)
    content: Any = read_json(path, error=SourceError)
    if not isinstance(content, dict):
        raise SourceError(f"{file}: expected an object", where=where)
    return content


def _fetched(target: str, file: str, where: str) -> Path:
    look_for_hub()
    repository, _, revision = _parted(target)
    try:
        return Path(huggingface_hub.hf_hub_download(repository, file, revision=revision or None))
    except (OSError, ValueError, RuntimeError) as cause:
        fault = hub_fault(cause, repository) or f"{file} cannot be fetched: {first_line(cause)}"
        raise SourceError(fault, where=where) from cause


def _parted(target: str) -> tuple[str, str, str]:
    """The repository, "@" and the revision; of a folder nothing but its path."""
    return (target, "", "") if Path(target).is_dir() else target.partition("@")


def _names(labels: Any) -> tuple[str, ...] | None:
    if isinstance(labels, Mapping):
        labels = list(labels.values())
    return tuple(str(label) for label in labels) if labels else None
