"""Search spaces: genomes of integers for the subnets of a design.

Two codes, those that the papers use:

* `StageSpace`: one gene for each choice of a stage; AttentiveNAS, and the small supernetworks.
* `LayerSpace`: one gene for each layer, 0 where it is absent, otherwise its pair of expansion and
  kernel; the supernetworks of Once-for-All.

Genes are indices of ascending choices, so that 0 is the smallest everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..arrays import IntArray, frozen
from ..errors import SearchError
from .design import Architecture, Design, StageDesign, SubnetBlock

TRIES = 100


class Space(Protocol):
    """The subnets of a supernetwork as genomes."""

    @property
    def design(self) -> Design:
        """What may be chosen."""
        ...

    @property
    def n_values(self) -> IntArray:
        """How many values each gene takes, int64 [n_genes]."""
        ...

    def decode(self, genome: IntArray) -> Architecture:
        """The subnet that a genome [n_genes] stands for; every genome stands for one."""
        ...

    def encode(self, architecture: Architecture) -> IntArray:
        """The canonical genome of a subnet, int64 [n_genes].

        Raises:
            SearchError: the design has no such subnet.
        """
        ...

    def canonical(self, genomes: IntArray) -> IntArray:
        """The one genome that stands for the same subnet, for each of genomes [n, n_genes]."""
        ...

    def sample(self, n: int, rng: np.random.Generator) -> IntArray:
        """Random subnets, canonical, int64 [n, n_genes]; some may be equal."""
        ...


def smallest(space: Space) -> IntArray:
    """The genome of the smallest subnet, int64 [n_genes]."""
    return space.canonical(np.zeros((1, len(space.n_values)), np.int64))[0]


def largest(space: Space) -> IntArray:
    """The genome of the largest subnet, int64 [n_genes]."""
    return space.canonical(space.n_values[None] - 1)[0]


def sample_distinct(space: Space, n: int, rng: np.random.Generator) -> IntArray:
    """Different random subnets, int64 [n, n_genes], the smallest and the largest first.

    Raises:
        SearchError: the space has not so many, or nearly so.
    """
    found = np.stack([smallest(space), largest(space)])
    for _ in range(TRIES):
        found = distinct(np.concatenate((found, space.sample(n, rng))))
        if len(found) >= n:
            return found[:n]
    name = space.design.name
    raise SearchError(f"found {len(found)} different subnets of {name}, asked for {n}")


def distinct(genomes: IntArray) -> IntArray:
    """The genomes [n, n_genes] without repetitions, in order of their first appearance."""
    _, first = np.unique(genomes, axis=0, return_index=True)
    return genomes[np.sort(first)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageSpace:
    """One gene for each choice of the network and of a stage, where there is a choice at all.

    In order: resolution, stem; of each stage width, depth, kernel, expansion; head.

    Args:
        design: what may be chosen.
    """

    design: Design
    n_values: IntArray = field(init=False)

    def __post_init__(self) -> None:
        sizes = [len(choices) for choices in self._choices() if len(choices) > 1]
        object.__setattr__(self, "n_values", frozen(np.array(sizes, np.int64)))

    def decode(self, genome: IntArray) -> Architecture:
        """See `Space.decode`."""
        genes = iter(genome.tolist())
        values = iter([c[next(genes) if len(c) > 1 else 0] for c in self._choices()])
        resolution, stem = next(values), next(values)
        stages: list[tuple[SubnetBlock, ...]] = []
        for _ in self.design.stages:
            width, depth, kernel, expansion = (next(values) for _ in range(4))
            stages.append((SubnetBlock(width=width, kernel=kernel, expansion=expansion),) * depth)
        return Architecture(
            resolution=resolution, stem=stem, stages=tuple(stages), head=next(values)
        )

    def encode(self, architecture: Architecture) -> IntArray:
        """See `Space.encode`."""
        values = [architecture.resolution, architecture.stem]
        for blocks in architecture.stages:
            if len(set(blocks)) != 1:
                raise SearchError("the blocks of a stage must be alike", where=self.design.name)
            values += [blocks[0].width, len(blocks), blocks[0].kernel, blocks[0].expansion]
        values.append(architecture.head)
        pairs = list(zip(self._choices(), values, strict=True))
        indices = [_index(choices, value, self.design) for choices, value in pairs]
        genes = [i for (choices, _), i in zip(pairs, indices, strict=True) if len(choices) > 1]
        return np.array(genes, np.int64)

    def canonical(self, genomes: IntArray) -> IntArray:
        """See `Space.canonical`: every genome is."""
        return genomes

    def sample(self, n: int, rng: np.random.Generator) -> IntArray:
        """See `Space.sample`: every gene uniformly."""
        return rng.integers(self.n_values, size=(n, len(self.n_values)))

    def _choices(self) -> Iterator[tuple[int, ...]]:
        yield self.design.resolutions
        yield self.design.stems
        for stage in self.design.stages:
            yield from (stage.widths, stage.depths, stage.kernels, stage.expansions)
        yield self.design.heads


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerSpace:
    """Genes: resolution, width (one value: a supernetwork has one), and one for each layer.

    A layer's gene is 0 where it is absent, otherwise 1 + its expansion * 3 + its kernel (as
    indices, for 3 kernels). A stage has at least its smallest depth, and no layer after an absent
    one; stages without a choice have no genes, nor has the last of ProxylessNAS, which NAT's code
    of 20 layers leaves out: it keeps its largest choices.

    Args:
        design: stages of one width; the searched ones share depths, kernels and expansions.
        searched: the stages that have genes, as a range of positions.
    """

    design: Design
    searched: range
    n_values: IntArray = field(init=False)

    def __post_init__(self) -> None:
        layers = [
            1 + len(stage.kernels) * len(stage.expansions)
            for stage in self._stages
            for _ in range(stage.depths[-1])
        ]
        sizes = [len(self.design.resolutions), 1, *layers]
        object.__setattr__(self, "n_values", frozen(np.array(sizes, np.int64)))

    def decode(self, genome: IntArray) -> Architecture:
        """See `Space.decode`."""
        resolution, _, *genes = self.canonical(genome[None])[0].tolist()
        stages = list(self.design.largest.stages)
        for index, stage in zip(self.searched, self._stages, strict=True):
            own, genes = genes[: stage.depths[-1]], genes[stage.depths[-1] :]
            stages[index] = tuple(_layer(stage, gene) for gene in own if gene)
        return Architecture(
            resolution=self.design.resolutions[resolution],
            stem=self.design.stems[0],
            stages=tuple(stages),
            head=self.design.heads[0],
        )

    def encode(self, architecture: Architecture) -> IntArray:
        """See `Space.encode`."""
        genes = [_index(self.design.resolutions, architecture.resolution, self.design), 0]
        for index, blocks in enumerate(self.design.largest.stages):
            if index not in self.searched and architecture.stages[index] != blocks:
                raise SearchError(f"stage {index} has no choice", where=self.design.name)
        for index, stage in zip(self.searched, self._stages, strict=True):
            blocks = architecture.stages[index]
            _index(stage.depths, len(blocks), self.design)
            own = [_gene(stage, block, self.design) for block in blocks]
            genes += own + [0] * (stage.depths[-1] - len(own))
        return np.array(genes, np.int64)

    def canonical(self, genomes: IntArray) -> IntArray:
        """See `Space.canonical`."""
        result = genomes.copy()
        start = 2
        for stage in self._stages:
            fewest, most = stage.depths[0], stage.depths[-1]
            always = result[:, start : start + fewest]
            always[always == 0] = 1
            for layer in range(start + fewest, start + most):
                result[result[:, layer - 1] == 0, layer] = 0
            start += most
        return result

    def sample(self, n: int, rng: np.random.Generator) -> IntArray:
        """See `Space.sample`: each stage's depth uniformly, and each layer's pair."""
        columns = [rng.integers(self.n_values[:2], size=(n, 2))]
        for stage in self._stages:
            depth = rng.choice(stage.depths, size=(n, 1))
            pairs = len(stage.kernels) * len(stage.expansions)
            genes = rng.integers(1, pairs + 1, size=(n, stage.depths[-1]))
            columns.append(np.where(np.arange(stage.depths[-1]) < depth, genes, 0))
        return np.concatenate(columns, axis=1)

    @property
    def _stages(self) -> list[StageDesign]:
        return [self.design.stages[index] for index in self.searched]


def _layer(stage: StageDesign, gene: int) -> SubnetBlock:
    expansion, kernel = divmod(gene - 1, len(stage.kernels))
    return SubnetBlock(
        width=stage.widths[0], kernel=stage.kernels[kernel], expansion=stage.expansions[expansion]
    )


def _gene(stage: StageDesign, block: SubnetBlock, design: Design) -> int:
    _index(stage.widths, block.width, design)
    expansion = _index(stage.expansions, block.expansion, design)
    return 1 + expansion * len(stage.kernels) + _index(stage.kernels, block.kernel, design)


def _index(choices: tuple[int, ...], value: int, design: Design) -> int:
    if value not in choices:
        shown = " ".join(str(choice) for choice in choices)
        raise SearchError(f"expected one of {shown}, got {value}", where=design.name)
    return choices.index(value)
