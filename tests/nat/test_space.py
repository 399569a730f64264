import numpy as np
import pytest

pytest.importorskip("torch")

from encas.errors import SearchError
from encas.nat.design import Architecture, SubnetBlock
from encas.nat.designs import NAMES, space_of
from encas.nat.recipe import macs_of
from encas.nat.space import distinct, largest, sample_distinct, smallest

PUBLISHED_MMACS = {"a0": 203, "a1": 279, "a2": 317, "a3": 357, "a4": 444, "a5": 491, "a6": 709}
# Resolution; stem, the widths of seven stages, head; kernels; expansions; depths. Source: the
# evaluation settings that the authors of AttentiveNAS publish beside their checkpoints.
PUBLISHED_SUBNETS = {
    "a0": (192, (16, 16, 24, 32, 64, 112, 192, 216, 1792), "3333333", "1444466", "1333331"),
    "a1": (224, (16, 16, 24, 32, 64, 112, 192, 216, 1984), "3335353", "1444466", "1333331"),
    "a2": (224, (16, 16, 24, 32, 64, 112, 200, 224, 1984), "3333353", "1454466", "1333341"),
    "a3": (224, (16, 16, 24, 32, 64, 112, 208, 224, 1984), "3335333", "1444466", "2334351"),
    "a4": (256, (16, 16, 24, 32, 64, 112, 192, 216, 1984), "3335353", "1445466", "1334351"),
    "a5": (256, (16, 16, 24, 32, 72, 112, 192, 216, 1792), "3335333", "1454466", "1333461"),
    "a6": (288, (16, 16, 24, 32, 64, 112, 216, 224, 1984), "3333353", "1465466", "1334461"),
}  # fmt: skip


def attentive(name):
    resolution, widths, *rows = PUBLISHED_SUBNETS[name]
    kernels, expansions, depths = ([int(digit) for digit in row] for row in rows)
    stages = tuple(
        (SubnetBlock(width=width, kernel=kernel, expansion=expansion),) * depth
        for width, kernel, expansion, depth in zip(
            widths[1:-1], kernels, expansions, depths, strict=True
        )
    )
    return Architecture(resolution=resolution, stem=widths[0], stages=stages, head=widths[-1])


@pytest.mark.parametrize("name", PUBLISHED_SUBNETS)
def test_published_subnets_of_attentive_nas_cost_what_is_published(name):
    space = space_of("attentive-nas")
    architecture = space.decode(space.encode(attentive(name)))
    macs = macs_of(space.design.recipe(architecture, n_classes=1000))
    assert macs / 1e6 == pytest.approx(PUBLISHED_MMACS[name], rel=0.01)


@pytest.mark.parametrize(("name", "genes"), [("attentive-nas", 28), ("ofa-mbv3-w1.0", 22)])
def test_encodings_have_the_lengths_of_the_papers(name, genes):
    assert len(space_of(name).n_values) == genes


@pytest.mark.parametrize("name", NAMES)
def test_decoding_and_encoding_are_inverse_on_canonical_genomes(name, rng):
    space = space_of(name)
    genomes = np.concatenate((space.sample(50, rng), [smallest(space), largest(space)]))
    assert (space.canonical(genomes) == genomes).all()
    for genome in genomes:
        assert (space.encode(space.decode(genome)) == genome).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_genome_is_some_subnet_and_its_canonical_one_the_same(name, rng):
    space = space_of(name)
    genomes = rng.integers(space.n_values, size=(50, len(space.n_values)))
    for genome, canonical in zip(genomes, space.canonical(genomes), strict=True):
        assert space.decode(genome) == space.decode(canonical)


@pytest.mark.parametrize("name", NAMES)
def test_no_random_subnet_costs_less_than_the_smallest_or_more_than_the_largest(name, rng):
    space = space_of(name)
    genomes = [smallest(space), *space.sample(50, rng), largest(space)]
    macs = [macs_of(space.design.recipe(space.decode(g), n_classes=10)) for g in genomes]
    assert macs[0] == min(macs)
    assert macs[-1] == max(macs)


def test_distinct_samples_begin_with_smallest_and_largest(rng):
    space = space_of("small-fused", size=8)
    genomes = sample_distinct(space, 30, rng)
    assert len(distinct(genomes)) == len(genomes) == 30
    assert (genomes[:2] == [smallest(space), largest(space)]).all()


def test_more_samples_than_subnets_are_refused(rng, monkeypatch):
    monkeypatch.setattr("encas.nat.space.TRIES", 2)
    space = space_of("small-fused", size=8)
    n = int(np.prod(space.n_values))
    with pytest.raises(SearchError, match=f"different subnets of small-fused, asked for {n + 1}"):
        sample_distinct(space, n + 1, rng)


def test_unknown_supernetwork_is_told_the_known_ones():
    with pytest.raises(SearchError, match=r"one of ofa-mbv3-w1.0, .*small-fused, got 'resnet'"):
        space_of("resnet")


def test_images_of_another_size_are_refused():
    with pytest.raises(SearchError, match="takes images with 3 channels of 256 pixels"):
        space_of("ofa-mbv3-w1.0", size=32)
    with pytest.raises(SearchError, match=r"8..64 pixels a side, got 100"):
        space_of("small-mobile", size=100)


def test_architecture_that_the_design_lacks_is_refused():
    space = space_of("small-fused", size=8)
    other = space_of("small-fused", size=16)
    with pytest.raises(SearchError, match="expected one of 5 6 7 8, got 16"):
        space.encode(other.decode(largest(other)))
