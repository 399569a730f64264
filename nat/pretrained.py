"""Supernetworks made by name, and their weights read from files: published ones, and our own.

A file must hold exactly the tensors of the supernetwork, by name and shape, and nothing else. The
one exception: where the data have other classes than the published 1,000, the published classifier
is left out and the new one begins at random.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..errors import SourceError
from ..pools.models.state_dicts import read_state_dict
from .designs import SMALL, space_of
from .supernet import ElasticSupernet, Supernet

PUBLISHED_CLASSES = 1000
SHOWN_FAULTS = 5
CLASSIFIER = re.compile(r"(^|\.)classifier\.")
OFA_PAGE = "https://raw.githubusercontent.com/han-cai/files/master/ofa/ofa_nets/"
# Doubled parts of names that versions of `ofa` write in one of two ways.
OFA_NAMES = (
    (r"\.mobile_inverted_conv\.", ".conv."),
    (r"\.bn\.bn\.", ".bn."),
    (r"\.conv\.conv\.weight", ".conv.weight"),
    (r"\.linear\.linear\.", ".linear."),
)
# Names that the authors of AttentiveNAS and AlphaNet write, and those of a `Network`.
ATTENTIVE_NAMES = (
    (r"^first_conv\.", "stem."),
    (r"^last_conv\.final_expand_layer\.", "expand."),
    (r"^last_conv\.feature_mix_layer\.conv\.conv\.", "features."),
    (r"^classifier\.linear\.linear\.", "classifier."),
    (r"\.mobile_inverted_conv\.inverted_bottleneck\.", ".expand."),
    (r"\.mobile_inverted_conv\.depth_conv\.se\.fc\.", ".squeeze."),
    (r"\.mobile_inverted_conv\.depth_conv\.", ".depthwise."),
    (r"\.mobile_inverted_conv\.point_linear\.", ".project."),
    (r"\.shortcut\.conv\.conv\.", ".shortcut.project."),
    (r"\.conv\.conv\.weight$", ".conv.weight"),
    (r"\.bn\.bn\.", ".norm."),
)
# Statistics of one sampled subnet each, beside those of the whole; recalibration replaces both.
TRACKED = re.compile(r"^(.+)\.bn_tracking\.[01]\.(.+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where the weights of a supernetwork are to be had.

    Args:
        file: what its authors call it.
        page: where they publish it.
    """

    file: str
    page: str


PUBLISHED: Mapping[str, Published] = {
    "ofa-mbv3-w1.0": Published(file="ofa_mbv3_d234_e346_k357_w1.0", page=OFA_PAGE),
    "ofa-mbv3-w1.2": Published(file="ofa_mbv3_d234_e346_k357_w1.2", page=OFA_PAGE),
    "ofa-proxyless-w1.3": Published(file="ofa_proxyless_d234_e346_k357_w1.3", page=OFA_PAGE),
    "attentive-nas": Published(
        file="attentive_nas_pretrained.pth.tar",
        page="https://github.com/facebookresearch/AttentiveNAS",
    ),
    "alphanet": Published(
        file="alphanet_pretrained.pth.tar", page="https://github.com/facebookresearch/AlphaNet"
    ),
}


def make_supernet(
    name: str, *, n_classes: int, size: int | None = None, n_channels: int = 3, seed: int = 0
) -> Supernet:
    """A supernetwork with random weights.

    Args:
        name: see `designs.space_of`.
        n_classes: logits of a sample.
        size: see `designs.space_of`.
        n_channels: likewise.
        seed: of the weights.

    Raises:
        SearchError: there is no such supernetwork, or not for such images.
        MissingExtraError: it is one of Once-for-All, and the package `ofa` is not installed.
    """
    space = space_of(name, size=size, n_channels=n_channels)
    if not name.startswith("ofa-"):
        return ElasticSupernet(space, n_classes=n_classes, seed=seed)
    from .ofa_supernet import OfaSupernet  # noqa: PLC0415 - ofa is optional

    return OfaSupernet(space, n_classes=n_classes, seed=seed)


def where_published(name: str) -> str:
    """Where a supernetwork's weights are to be had, for people."""
    if name not in PUBLISHED:
        return f"{name} has no published weights: train it with `encas nat run`"
    source = PUBLISHED[name]
    return (
        f"its authors publish {source.file} at {source.page}: fetch it and give its path as "
        "--checkpoint"
    )


def load_checkpoint(supernet: Supernet, path: Path) -> None:
    """Reads published weights, or those of an earlier run, into a supernetwork.

    Raises:
        SourceError: there is no such file, or its tensors are not those of the supernetwork.
    """
    name = supernet.space.design.name
    if not path.is_file():
        raise SourceError(f"no such file; {where_published(name)}", where=str(path))
    found = read_state_dict(path)
    expected = supernet.module.state_dict()
    state = {_own_name(key, name): tensor for key, tensor in found.items()}
    names = {_own_name(key, name): key for key in expected}
    faults = _tracked_faults(found, expected, name)
    state = {key: tensor for key, tensor in state.items() if not TRACKED.match(key)}
    is_new_head = name not in SMALL and supernet.n_classes != PUBLISHED_CLASSES
    if is_new_head and _classes_of(state) == PUBLISHED_CLASSES:
        state = {key: tensor for key, tensor in state.items() if not CLASSIFIER.search(key)}
        state |= {k: expected[names[k]] for k in names if CLASSIFIER.search(k)}
    faults += _faults(state, {key: expected[own] for key, own in names.items()})
    if faults:
        left = len(faults) - SHOWN_FAULTS
        more = (f"and {left} more",) if left > 0 else ()
        raise SourceError(*faults[:SHOWN_FAULTS], *more, where=f"{path} is not of {name}")
    supernet.module.load_state_dict({names[key]: tensor for key, tensor in state.items()})


def _own_name(key: str, name: str) -> str:
    if name in SMALL:
        return key
    key = key.removeprefix("module.")
    for pattern, own in OFA_NAMES if name.startswith("ofa-") else ATTENTIVE_NAMES:
        key = re.sub(pattern, own, key)
    return key


def _classes_of(state: Mapping[str, Tensor]) -> int:
    heads = [len(tensor) for key, tensor in state.items() if CLASSIFIER.search(key)]
    return heads[0] if heads else 0


def _tracked_faults(
    found: Mapping[str, Tensor], expected: Mapping[str, Tensor], name: str
) -> list[str]:
    """Statistics of sampled subnets that belong to no normalisation, or have another's shape."""
    faults: list[str] = []
    for key, tensor in found.items():
        match = TRACKED.match(key)
        if match is None:
            continue
        own = _own_name(f"{match[1]}.bn.{match[2]}", name)
        if own not in expected or expected[own].shape != tensor.shape:
            faults.append(f"{key} {list(tensor.shape)} belongs to nothing")
    return faults


def _faults(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    faults = [f"{key} is missing" for key in expected if key not in state]
    faults += [f"{key} is unknown" for key in state if key not in expected]
    return faults + [
        f"{key}: expected {list(tensor.shape)}, got {list(state[key].shape)}"
        for key, tensor in expected.items()
        if key in state and state[key].shape != tensor.shape
    ]
