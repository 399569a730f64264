from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from encas.nat.learning import Training
from encas.nat.nat_settings import NatSettings
from encas.nat.pretrained import make_supernet
from encas.nat.space import largest, smallest
from encas.nat.subnet_evaluating import macs_of_genomes
from encas.nat.task import DataPlan, open_task
from encas.nat.transfer import SubnetCandidates

SETTINGS = NatSettings(
    iterations=1,
    archive_size=8,
    evaluations=50,
    calibration_batches=2,
    calibration_batch_size=16,
    epochs=1,
    warm_up=Training(batch_size=24),
    training=Training(batch_size=24),
)


def candidates_on(data, settings=SETTINGS, costs=None) -> SubnetCandidates:
    task = open_task(DataPlan(train=data), settings, seed=0)
    supernet = make_supernet("small-fused", n_classes=2, size=8, n_channels=1)
    return SubnetCandidates(supernet, task, settings, costs=costs)


def test_first_candidates_have_the_smallest_and_the_largest(halves, rng):
    candidates = candidates_on(halves)
    genomes = candidates.first(rng).genomes.tolist()
    assert len(genomes) == 8
    assert smallest(candidates.space).tolist() in genomes
    assert largest(candidates.space).tolist() in genomes


def test_costs_are_macs_or_those_that_are_given(halves, rng):
    counted = candidates_on(halves)
    genomes = counted.first(rng).genomes
    macs = macs_of_genomes(counted.space, genomes, n_classes=2)
    assert counted.costs(genomes, np.empty((8, 1))).tolist() == macs.tolist()
    assert (counted.cost_unit, counted.largest_cost) == ("MACs", macs.max())
    timed = candidates_on(halves, costs=lambda rows: rows.sum(axis=1) / 2)
    assert timed.costs(genomes, np.empty((8, 1))).tolist() == (genomes.sum(axis=1) / 2).tolist()
    assert timed.cost_unit == "ms"


@pytest.mark.parametrize("proposer", ["surrogate", "random"])
def test_following_candidates_are_as_many_as_are_wanted(halves, rng, proposer):
    candidates = candidates_on(halves, replace(SETTINGS, n_new=3, proposer=proposer))
    genomes = candidates.first(rng).genomes
    proposal = candidates.following(genomes, rng.random((8, 1)), rng)
    assert len(proposal.genomes) == 3
    assert proposal.is_predicted.all() == (proposer == "surrogate")


def test_lesson_is_all_candidates(halves, rng):
    candidates = candidates_on(halves)
    genomes = candidates.first(rng).genomes
    expected = [candidates.space.decode(genome) for genome in genomes]
    assert candidates.lesson(0, genomes) == expected
