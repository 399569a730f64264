import numpy as np
import pytest

pytest.importorskip("torch")

from encas.errors import SearchError
from encas.nat.designs import NAMES, space_of
from encas.nat.recipe import macs_of
from encas.nat.space import distinct, largest, sample_distinct, smallest


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


def test_architecture_that_the_design_lacks_is_refused():
    space = space_of("small-fused", size=8)
    other = space_of("small-fused", size=16)
    with pytest.raises(SearchError, match="expected one of 5 6 7 8, got 16"):
        space.encode(other.decode(largest(other)))
