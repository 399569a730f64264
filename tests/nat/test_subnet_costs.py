import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from encas.nat.designs import space_of
from encas.nat.recipe import macs_of
from encas.nat.space import sample_distinct
from encas.nat.subnet_costs import CountedMacs, RememberedCosts


def test_costs_of_a_genome_are_asked_for_once():
    asked = []

    def costs(genomes):
        asked.extend(genomes.tolist())
        return genomes.sum(axis=1) * 0.5

    remembered = RememberedCosts(costs)
    genomes = np.array([[1, 2], [3, 4], [1, 2]])
    assert remembered(genomes).tolist() == [1.5, 3.5, 1.5]
    assert remembered(np.array([[3, 4], [5, 6]])).tolist() == [3.5, 5.5]
    assert asked == [[1, 2], [3, 4], [5, 6]]
    assert remembered(genomes[:0]).shape == (0,)


def test_macs_are_those_of_the_recipe(rng):
    space = space_of("small-fused", size=8, n_channels=1)
    genomes = sample_distinct(space, 4, rng)
    recipes = [space.design.recipe(space.decode(genome), n_classes=2) for genome in genomes]
    assert CountedMacs(space, n_classes=2)(genomes).tolist() == [macs_of(one) for one in recipes]
