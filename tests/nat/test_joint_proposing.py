from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from encas.nat.designs import space_of
from encas.nat.joint_proposing import (
    Constant,
    JointProblem,
    MeasuredCascades,
    expected_costs,
    fitted_problem,
    next_cascades,
)
from encas.nat.joint_space import JointSpace
from encas.nat.nat_settings import NatSettings
from encas.nat.surrogate import Quality, RbfEnsemble
from encas.nat.transfer import CountedMacs

SPACE = JointSpace(
    spaces=tuple(space_of(n, size=8, n_channels=1) for n in ("small-fused", "small-mobile"))
)
COSTS = [CountedMacs(space, n_classes=4) for space in SPACE.spaces]
SETTINGS = NatSettings(iterations=1, archive_size=20, evaluations=300)


def truth(genomes) -> MeasuredCascades:
    """A world in which subnets with large genes are better, and thresholds let samples on."""
    subnets, members = SPACE.subnets(genomes), SPACE.members(genomes)
    errors = np.stack([0.8 - 0.6 * (g / (s.n_values - 1)).mean(axis=1)
                       for g, s in zip(subnets, SPACE.spaces, strict=True)], axis=1)  # fmt: skip
    member_error = np.where(SPACE.ranks(genomes) > 0, errors, np.nan)
    share = SPACE.thresholds(genomes)[:, 0] / 50 * (members[:, 1] >= 0)
    first, last = (np.take_along_axis(errors, members[:, [j]].clip(0), 1)[:, 0] for j in (0, 1))
    error = (1 - share) * first + share * last
    return MeasuredCascades(
        error=error, member_error=member_error, reach=np.stack((np.ones_like(share), share), 1)
    )


def archive(n=200, seed=0):
    genomes = SPACE.sample_distinct(n, np.random.default_rng(seed))
    return genomes, truth(genomes)


def test_surrogates_rank_cascades_they_have_not_seen():
    genomes, measured = archive()
    problem = fitted_problem(SPACE, genomes, measured, COSTS, np.random.default_rng(0))
    others = SPACE.sample(300, np.random.default_rng(9))
    told, expected = problem.evaluate(others), truth(others)
    assert Quality.of(told[:, 0], expected.error).tau > 0.5
    cost = expected_costs(SPACE, others, expected.reach, COSTS)
    assert Quality.of(told[:, 1], cost).tau > 0.8


def test_one_member_has_its_own_error_and_cost_and_none_is_infeasible():
    genomes, measured = archive()
    cascades = RbfEnsemble.fit(
        np.random.default_rng(0).random((9, 5)), np.full((9, 2), 0.9), rng=np.random.default_rng(0)
    )
    members = [Constant(error=0.25), Constant(error=0.5)]
    problem = JointProblem(SPACE, members, cascades, COSTS)
    n_members = (SPACE.members(genomes) >= 0).sum(axis=1)
    alone = genomes[n_members == 1]
    told = problem.evaluate(alone)
    is_first = SPACE.members(alone)[:, 0] == 0
    assert told[:, 0].tolist() == np.where(is_first, 0.25, 0.5).tolist()
    macs = [cost(own) for cost, own in zip(COSTS, SPACE.subnets(alone), strict=True)]
    assert told[:, 1].tolist() == np.where(is_first, *macs).tolist()
    assert (told <= 1e9).all()
    nobody = genomes[:1].copy()
    SPACE.ranks(nobody)[:] = 0
    assert np.isinf(problem.evaluate(nobody)).all()
    assert measured.error.shape == (200,)


@pytest.mark.parametrize("n_known", [0, 1])
def test_a_supernetwork_that_hardly_any_cascade_has_does_not_stop_the_search(n_known):
    genomes, _ = archive()
    has_second = SPACE.ranks(genomes)[:, 1] > 0
    genomes = np.concatenate((genomes[~has_second], genomes[has_second][:n_known]))
    problem = fitted_problem(SPACE, genomes, truth(genomes), COSTS, np.random.default_rng(0))
    assert np.isfinite(problem.evaluate(SPACE.sample(50, np.random.default_rng(3)))).all()


@pytest.mark.parametrize("proposer", ["surrogate", "random"])
def test_a_renewed_archive_keeps_its_best_and_takes_new_ones(proposer):
    genomes, measured = archive(20)
    settings = replace(SETTINGS, proposer=proposer)
    made = next_cascades(
        SPACE, genomes, measured, costs=COSTS, settings=settings, rng=np.random.default_rng(0)
    )
    again = next_cascades(
        SPACE, genomes, measured, costs=COSTS, settings=settings, rng=np.random.default_rng(0)
    )
    assert np.array_equal(made.genomes, again.genomes)
    assert len({tuple(row) for row in made.genomes.tolist()}) == len(made.genomes) == 20
    assert np.array_equal(SPACE.canonical(made.genomes), made.genomes)
    old = {tuple(row) for row in genomes.tolist()}
    is_new = np.array([tuple(row) not in old for row in made.genomes.tolist()])
    assert 0 < is_new.sum() < 20
    if proposer == "surrogate":
        assert np.array_equal(made.is_predicted, is_new)


def test_added_cascades_are_all_new():
    genomes, measured = archive(20)
    settings = replace(SETTINGS, n_new=6)
    made = next_cascades(
        SPACE, genomes, measured, costs=COSTS, settings=settings, rng=np.random.default_rng(0)
    )
    assert len(made.genomes) == 6
    assert made.is_predicted.all()
    old = {tuple(row) for row in genomes.tolist()}
    assert not old & {tuple(row) for row in made.genomes.tolist()}
