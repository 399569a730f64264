from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from encas.fronts.indicators import non_dominated
from encas.nat.designs import space_of
from encas.nat.nat_settings import PRESETS
from encas.nat.proposing import (
    first_proposal,
    next_proposal,
    random_proposal,
    unknown,
)
from encas.nat.transfer import CountedMacs

SETTINGS = replace(PRESETS["small"], archive_size=30, evaluations=600)


@pytest.fixture
def space():
    return space_of("ofa-mbv3-w1.0")


def errors_of(genomes, space) -> np.ndarray:
    """Larger is better, up to noise that is none."""
    return 1 - 0.5 * (genomes / space.n_values).mean(axis=1)


def propose(space, settings, by=next_proposal):
    rng = np.random.default_rng(0)
    genomes = first_proposal(space, settings, rng).genomes
    errors = errors_of(genomes, space)
    costs = CountedMacs(space, n_classes=10)
    found = by(space, genomes, errors, costs=costs, settings=settings, rng=rng)
    return genomes, found


def test_renewed_archive_holds_old_and_new_subnets(space):
    genomes, found = propose(space, SETTINGS)
    assert len(found.genomes) == 30
    assert 0 < found.is_predicted.sum() < 30
    old = unknown(found.genomes, genomes)
    assert len(old) == found.is_predicted.sum()
    assert (space.canonical(found.genomes) == found.genomes).all()
    new = found.genomes[found.is_predicted]
    assert np.corrcoef(errors_of(new, space), found.predicted[found.is_predicted])[0, 1] > 0.8


def test_grown_archive_gets_only_new_subnets(space):
    genomes, found = propose(space, replace(SETTINGS, n_new=7))
    assert found.genomes.shape == (7, len(space.n_values))
    assert len(unknown(found.genomes, genomes)) == 7


def test_random_subnets_fill_up_where_the_search_finds_nothing_new(space):
    genomes, found = propose(space, replace(SETTINGS, n_new=300, evaluations=30))
    assert len(found.genomes) >= 250
    assert len(unknown(found.genomes, genomes)) == len(found.genomes)


def test_no_hopeful_prediction_drives_out_what_was_measured_best(space):
    genomes, found = propose(space, SETTINGS)
    points = np.stack(
        (errors_of(genomes, space), CountedMacs(space, n_classes=10)(genomes)), axis=1
    )
    kept = genomes[non_dominated(points)]
    assert 0 < len(kept) <= 15
    assert len(unknown(kept, found.genomes)) == 0


def test_at_most_half_of_an_archive_stays(space):
    rng = np.random.default_rng(0)
    genomes = first_proposal(space, SETTINGS, rng).genomes
    costs = CountedMacs(space, n_classes=10)
    errors = 1 - costs(genomes) / 1e12  # none dominates another
    found = random_proposal(space, genomes, errors, costs=costs, settings=SETTINGS, rng=rng)
    assert len(unknown(found.genomes, genomes)) == 15


def test_random_proposal_keeps_what_nothing_dominates_and_draws_the_rest(space):
    genomes, found = propose(space, SETTINGS, by=random_proposal)
    points = np.stack(
        (errors_of(genomes, space), CountedMacs(space, n_classes=10)(genomes)), axis=1
    )
    kept = genomes[non_dominated(points)]
    assert (found.genomes[: len(kept)] == kept).all()
    assert len(found.genomes) == 30
    assert len(unknown(found.genomes, genomes)) == 30 - len(kept) > 0
    assert not found.is_predicted.any()


def test_random_proposal_grows_an_archive_by_new_subnets(space):
    genomes, found = propose(space, replace(SETTINGS, n_new=7), by=random_proposal)
    assert len(unknown(found.genomes, genomes)) == len(found.genomes) == 7


def test_unknown_are_each_once_and_in_order():
    genomes = np.array([[1, 2], [0, 0], [3, 4], [1, 2]])
    assert unknown(genomes, np.array([[0, 0]])).tolist() == [[1, 2], [3, 4]]
    assert unknown(genomes[:0], genomes).shape == (0, 2)
    assert unknown(genomes, genomes).shape == (0, 2)
