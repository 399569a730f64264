"""Subnets as models of their own: their names, their files, and SPECs that rebuild them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import numpy as np

from ..arrays import IntArray
from ..data.preprocessing import Preprocessing
from ..errors import MissingExtraError, SearchError
from ..files import json_text, write_atomically
from ..pools.models.specs import SIDECAR
from .designs import space_of
from .space import Space
from .subnet_network import Network, initialise

try:
    from safetensors.torch import save
except ImportError as error:
    raise MissingExtraError("writing the weights of subnets", extra="nat") from error

if TYPE_CHECKING:
    from torch import Tensor


SUBNET_SPEC = f"torch:{__name__}:subnet"


def genome_text(genome: IntArray) -> str:
    """A genome [n_genes] as text, such as 0-2-1."""
    return "-".join(map(str, genome.tolist()))


def genome_of(text: str, space: Space) -> IntArray:
    """The genome that `genome_text` wrote, int64 [n_genes].

    Raises:
        SearchError: it is no genome of this space.
    """
    parts = text.split("-")
    is_number = all(re.fullmatch(r"\d{1,4}", part) for part in parts)
    genome = np.array(parts if is_number else [], np.int64)
    if len(genome) != len(space.n_values) or not (genome < space.n_values).all():
        expected = f"{len(space.n_values)} genes below {genome_text(space.n_values)}"
        raise SearchError(f"expected {expected}, got {text!r}", where=space.design.name)
    return genome


def subnet(
    *, supernet: str, genome: str, n_classes: int, size: int = 0, n_channels: int = 3
) -> Network:
    """The module of a subnet with random weights; what the SPEC of a subnet names.

    Args:
        supernet: see `designs.space_of`.
        genome: as `genome_text` writes it.
        n_classes: logits of a sample.
        size: see `designs.space_of`; 0: the only one there is.
        n_channels: of a sample.

    Raises:
        SearchError: there is no such subnet.
    """
    space = space_of(supernet, size=size or None, n_channels=n_channels)
    architecture = space.decode(genome_of(str(genome), space))
    network = Network(space.design.recipe(architecture, n_classes=n_classes))
    initialise(network, seed=0)
    return network


def subnet_name(space: Space, genome: IntArray) -> str:
    """The name that a subnet has in a pool."""
    return f"{space.design.name}_{genome_text(genome)}"


def tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Named tensors as the bytes of a safetensors file."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def write_subnet(
    network: Network, path: Path, *, preprocessing: Preprocessing | None = None
) -> None:
    """Writes a subnet's weights, and the preprocessing beside them where there is one."""
    if preprocessing is not None:  # first: weights that are there are complete
        beside = path.with_name(path.name + SIDECAR)
        write_atomically(beside, json_text(preprocessing.to_json()))
    write_atomically(path, tensor_bytes(network.state_dict()))


def spec_of(
    space: Space,
    genome: IntArray,
    *,
    n_classes: int,
    weights: Path | None = None,
    base: Path | None = None,
) -> str:
    """The SPEC of a subnet.

    Args:
        space: of the genome.
        genome: int64 [n_genes].
        n_classes: logits of a sample.
        weights: their file; None: random ones.
        base: the folder of the file that will hold the SPEC; the path of the weights is relative.
    """
    design = space.design
    query = {
        "supernet": design.name,
        "genome": genome_text(genome),
        "n_classes": n_classes,
        "size": design.size,
        "n_channels": design.n_channels,
        "input_shape": f"{design.n_channels}x{design.size}x{design.size}",
    }
    if weights is not None and base is not None:
        query["weights"] = os.path.relpath(weights.resolve(), base.resolve())
    return f"{SUBNET_SPEC}?{urlencode(query, safe='/')}"
