"""Subnets' cost as time: predicted block by block, from what some of them took on a device.

A latency profile (../../latency.py) that holds subnets of a supernetwork, random ones of
`encas nat profile` or those of a pool, becomes a function of genomes. A subnet's time is a constant
plus that of its blocks; a block's is the sum over its layers, for each kind of layer (dense,
pointwise, depthwise, linear) a price for the call, one for each multiply-add and one for each value
that is read or written. All prices are at least 0. They are fitted to the relative errors, by least
squares. A table with a price of its own for every block would need more measured subnets than it
has entries; this one needs a few dozen and prices blocks that none of them has. Both, and a line
through the MACs, are held against subnets that had no part in the fit by
../../benchmarks/nat_latency.py; figures are in ../../docs/performance.md.

Source: H. Cai, L. Zhu, S. Han, "ProxylessNAS", ICLR 2019, arXiv 1812.00332, appendix B (a network's
time as the sum of its operators'). Departure: prices by kind of layer instead of one for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from ..arrays import DoubleArray, IntArray
from ..errors import ProfileError, SearchError, SourceError
from ..latency import LatencyProfile
from ..pools.models.specs import parse_spec
from .design import Architecture
from .recipe import LayerKind, Recipe, layers_of
from .space import Space
from .subnets import SUBNET_SPEC, genome_of
from .surrogate import Quality

KINDS: tuple[LayerKind, ...] = ("dense", "pointwise", "depthwise", "linear")
FEWEST_SUBNETS = 16
N_FOLDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyQuality:
    """How far predictions are from times that had no part in them.

    Args:
        n: measured subnets; each was predicted by prices fitted without an eighth of them, in
            which it was.
        median_error: of the relative errors.
        largest_error: likewise.
        tau: Kendall's rank correlation of predicted and measured times.
    """

    n: int
    median_error: float
    largest_error: float
    tau: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SubnetLatency:
    """Milliseconds per batch of any subnet of a space; made by `fit`.

    Args:
        space: of the genomes.
        n_classes: logits of a sample.
        batch_size: samples of a batch.
        prices: float64 [n_features], milliseconds.
        quality: how true it is.
        sha256: of the profile it comes from.
    """

    space: Space
    n_classes: int
    batch_size: int
    prices: DoubleArray
    quality: LatencyQuality
    sha256: str

    @classmethod
    def fit(
        cls,
        profile: LatencyProfile,
        space: Space,
        *,
        n_classes: int,
        batch_size: int | None = None,
    ) -> SubnetLatency:
        """Prices from the subnets of a space in a profile.

        Args:
            profile: measured times; models of other kinds in it do not matter.
            space: of the supernetwork.
            n_classes: logits of a sample.
            batch_size: samples of a batch; None: the only one that was measured.

        Raises:
            ProfileError: it holds too few subnets of this space at this batch size.
        """
        size = batch_size or _only_batch_size(profile)
        genomes, measured_ms = _measured(profile, space, n_classes, size)
        if len(genomes) < FEWEST_SUBNETS:
            design = space.design
            raise ProfileError(
                f"expected at least {FEWEST_SUBNETS} subnets of {design.name} with "
                f"{design.n_channels}x{design.size}x{design.size} samples, {n_classes} classes at "
                f"batch size {size}, got {len(genomes)}; `encas nat profile` measures them",
                where="latency profile",
            )
        features = features_of(space, genomes, n_classes=n_classes)
        return cls(
            space=space,
            n_classes=n_classes,
            batch_size=size,
            prices=_fitted(features, measured_ms),
            quality=_quality(features, measured_ms),
            sha256=profile.digest,
        )

    def __call__(self, genomes: IntArray) -> DoubleArray:
        """Milliseconds per batch, float64 [n], of genomes [n, n_genes]."""
        features = features_of(self.space, genomes, n_classes=self.n_classes)
        # Not a matrix product: to its last bit that depends on how many genomes come together.
        return (features * self.prices).sum(axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedSubnets:
    """Measured times that a run's subnets are priced by, instead of their multiply-adds.

    Args:
        profile: of subnets of its supernetwork, see the head of this module.
        batch_size: samples of a batch; None: the only one that was measured.
    """

    profile: LatencyProfile
    batch_size: int | None = None

    def fit(self, space: Space, *, n_classes: int) -> SubnetLatency:
        """The times of a space's subnets; see `SubnetLatency.fit`."""
        return SubnetLatency.fit(
            self.profile, space, n_classes=n_classes, batch_size=self.batch_size
        )


def features_of(space: Space, genomes: IntArray, *, n_classes: int) -> DoubleArray:
    """What subnets are priced by, float64 [n, 1 + 3 * len(KINDS)]."""
    rows = [_features(_recipe(space, space.decode(genome), n_classes)) for genome in genomes]
    return np.array(rows, np.float64).reshape(len(genomes), 1 + 3 * len(KINDS))


def _recipe(space: Space, architecture: Architecture, n_classes: int) -> Recipe:
    return space.design.recipe(architecture, n_classes=n_classes)


def _features(recipe: Recipe) -> list[float]:
    totals = {kind: [0, 0, 0] for kind in KINDS}
    for layer in layers_of(recipe):
        own = totals[layer.kind]
        own[0] += 1
        own[1] += layer.macs
        own[2] += layer.elements
    return [1.0, *(float(value) for own in totals.values() for value in own)]


def _fitted(features: DoubleArray, measured_ms: DoubleArray) -> DoubleArray:
    """Prices of at least 0 with the least sum of squared relative errors."""
    scale = np.maximum(np.abs(features).max(axis=0), 1.0)
    rows = features / scale / measured_ms[:, None]
    found: Any = nnls(rows, np.ones(len(rows)))
    return found[0] / scale


def _quality(features: DoubleArray, measured_ms: DoubleArray) -> LatencyQuality:
    n = len(measured_ms)
    fold = np.random.default_rng(0).permutation(n) % N_FOLDS
    predicted = np.empty(n)
    for held in range(N_FOLDS):
        prices = _fitted(features[fold != held], measured_ms[fold != held])
        predicted[fold == held] = features[fold == held] @ prices
    errors = np.abs(predicted / measured_ms - 1)
    return LatencyQuality(
        n=n,
        median_error=float(np.median(errors)),
        largest_error=float(errors.max()),
        tau=Quality.of(predicted, measured_ms).tau,
    )


def _only_batch_size(profile: LatencyProfile) -> int:
    sizes = sorted({timing.batch_size for timing in profile.timings})
    if len(sizes) != 1:
        shown = ", ".join(map(str, sizes))
        fault = f"has batch sizes {shown}: say which with --latency-batch-size"
        raise ProfileError(fault, where="latency profile")
    return sizes[0]


def _measured(
    profile: LatencyProfile, space: Space, n_classes: int, batch_size: int
) -> tuple[IntArray, DoubleArray]:
    """Genomes [n, n_genes] of the space's subnets in a profile, each once, and their times [n]."""
    found = dict[tuple[int, ...], float]()
    for timing in profile.timings:
        if timing.batch_size == batch_size:
            genome = _genome(timing.source, space, n_classes)
            if genome is not None:
                found[tuple(genome.tolist())] = timing.p50_ms
    genomes = np.array(list(found), np.int64).reshape(len(found), len(space.n_values))
    return genomes, np.array(list(found.values()), np.float64)


def _genome(source: str, space: Space, n_classes: int) -> IntArray | None:
    """The genome of a SPEC, where it names a subnet of this space with so many classes."""
    design = space.design
    wanted = {
        "supernet": design.name,
        "size": design.size,
        "n_channels": design.n_channels,
        "n_classes": n_classes,
    }
    try:
        spec = parse_spec(source)
        if f"{spec.scheme}:{spec.target}" != SUBNET_SPEC:
            return None
        is_wanted = all(spec.arguments.get(key) == value for key, value in wanted.items())
        genome = genome_of(str(spec.arguments.get("genome")), space) if is_wanted else None
        return None if genome is None else space.canonical(genome[None])[0]
    except (SourceError, SearchError):
        return None
