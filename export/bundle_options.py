"""What a bundle is to be: how it is made, and what its manifest tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..entries import Expected
from ..runtime.placement import DEFAULT_PLACEMENT, Placement
from .graph import WeightPlace
from .onnx_export import Exporter
from .onnx_model import INLINE_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOptions:
    """How a bundle is made.

    Args:
        exporter: for torch modules.
        graph: where the weights of the one-graph cascade lie, None for no such graph.
        inline_limit: bytes of weights beyond which they lie beside the ONNX file.
        overwrite: whether an older bundle may be replaced.
        placement: where members and cascade run for their proofs.
    """

    exporter: Exporter = "dynamo"
    graph: WeightPlace | None = "branches"
    inline_limit: int = INLINE_LIMIT
    overwrite: bool = False
    placement: Placement = DEFAULT_PLACEMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleDescription:
    """What a manifest tells of a cascade besides what the export finds out.

    Args:
        name: the bundle's name.
        expected: what the search believes of the cascade.
        classes: class names by label, or None.
        splits: name of a split -> its number of samples.
        provenance: where the cascade comes from.
    """

    name: str = "cascade"
    expected: tuple[Expected, ...] = ()
    classes: tuple[str, ...] | None = None
    splits: Mapping[str, int] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)


DEFAULT_OPTIONS = BundleOptions()


DEFAULT_DESCRIPTION = BundleDescription()
