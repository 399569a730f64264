"""Cascades over supernetworks with random weights: what is measured of them, and how."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from encas.cascade import decide, reach_of, softmax
from encas.nat import joint_transfer as joint
from encas.nat.joint_transfer import CascadeCandidates
from encas.nat.nat_settings import NatSettings
from encas.nat.pretrained import make_supernet
from encas.nat.space import largest
from encas.nat.subnet_evaluating import error_of, evaluator_on, macs_of_genomes
from encas.nat.task import DataPlan, Task, open_task

SETTINGS = NatSettings(
    iterations=1, archive_size=10, epochs=0, n_new=4, calibration_batches=2,
    calibration_batch_size=16, evaluations=60,
)  # fmt: skip
NAMES = ("small-fused", "small-mobile")


@pytest.fixture(scope="module")
def supernets() -> list:
    return [make_supernet(name, n_classes=2, size=8, n_channels=1, seed=4) for name in NAMES]


@pytest.fixture(scope="module")
def task(halves) -> Task:
    return open_task(DataPlan(train=halves), SETTINGS, seed=0)


@pytest.fixture
def candidates(supernets, task) -> CascadeCandidates:
    return CascadeCandidates(supernets, [task, task], SETTINGS)


@pytest.fixture
def genomes(candidates, rng) -> np.ndarray:
    """The extremes alone, then cascades of one or two members."""
    return candidates.first(rng).genomes


def genome_with(genomes, space, ranks) -> np.ndarray:
    changed = genomes[-1:].copy()
    space.ranks(changed)[:] = ranks
    space.thresholds(changed)[:] = 30
    return changed[0]


def test_what_is_measured_is_what_the_exit_rule_says(candidates, supernets, task, genomes):
    space, table = candidates.space, task.search
    genome = genome_with(genomes, space, (2, 1))
    evaluator = evaluator_on(task.calibration, SETTINGS)
    subnets = [own[0] for own in space.subnets(genome[None])]
    logits = [
        evaluator.logits(evaluator.calibrated(supernet, own), table)
        for supernet, own in zip(supernets, subnets, strict=True)
    ]
    outputs = [softmax(logits[1]), softmax(logits[0])]
    label = table.label.numpy()
    decision = decide(space.cascade(genome), lambda j, rows: outputs[j][rows], n_samples=len(label))
    row = candidates.measured(genome, supernets)
    assert row[0] == (decision.label != label).mean()
    assert row[1:3].tolist() == [error_of(own, table) for own in logits]
    assert row[3:].tolist() == reach_of(decision.stage, n_stages=2).tolist()


def test_a_supernetwork_that_is_left_out_has_no_error_and_no_stage(candidates, supernets, genomes):
    genome = genome_with(genomes, candidates.space, (0, 1))
    row = candidates.measured(genome, supernets)
    assert np.isnan(row[1])
    assert row[0] == row[2]
    assert row[3:].tolist() == [1, 0]
    table = candidates.table(row[None])
    assert (table.error[0], table.member_error[0, 1]) == (row[0], row[2])
    assert table.reach.tolist() == [[1, 0]]


def test_kept_answers_change_nothing(candidates, supernets, task, genomes, monkeypatch):
    kept = [candidates.measured(genome, supernets) for genome in genomes]
    assert len(candidates._known) > 2
    monkeypatch.setattr(joint, "CACHE_BYTES", 0)
    forgetful = CascadeCandidates(supernets, [task, task], SETTINGS)
    for genome, row in zip(genomes, kept, strict=True):
        np.testing.assert_array_equal(forgetful.measured(genome, supernets), row)
        assert len(forgetful._known) == 1


def test_answers_are_kept_until_the_weights_change(candidates, supernets, task, genomes):
    genome = genome_with(genomes, candidates.space, (1, 2))
    other = [make_supernet(name, n_classes=2, size=8, n_channels=1, seed=5) for name in NAMES]
    before = candidates.measured(genome, supernets)
    np.testing.assert_array_equal(candidates.measured(genome, other), before)
    candidates.forget()
    after = candidates.measured(genome, other)
    expected = CascadeCandidates(other, [task, task], SETTINGS)
    np.testing.assert_array_equal(after, expected.measured(genome, other))


def test_costs_are_expected_macs(candidates, supernets, genomes):
    space = candidates.space
    rows = np.stack([genome_with(genomes, space, ranks) for ranks in ((1, 0), (2, 1))])
    macs = np.stack(
        [
            macs_of_genomes(own_space, own, n_classes=2)
            for own_space, own in zip(space.spaces, space.subnets(rows), strict=True)
        ],
        axis=1,
    )
    measured = np.array([[0.5, 0.5, np.nan, 1, 0], [0.5, 0.5, 0.5, 1, 0.25]])
    expected = [macs[0, 0], macs[1, 1] + 0.25 * macs[1, 0]]
    assert candidates.costs(rows, measured).tolist() == expected


def test_largest_cost_is_that_of_the_dearest_subnet_of_all(candidates):
    costs = [
        macs_of_genomes(space, largest(space)[None], n_classes=2)[0]
        for space in candidates.space.spaces
    ]
    assert costs[0] != costs[1]
    assert candidates.largest_cost == max(costs)


def test_first_candidates_begin_with_every_extreme_alone(candidates, genomes):
    assert len(genomes) == SETTINGS.archive_size
    assert [len(candidates.space.cascade(genome).members) for genome in genomes[:4]] == [1] * 4


def test_following_candidates_are_new_ones(candidates, supernets, genomes, rng):
    measured = np.stack([candidates.measured(genome, supernets) for genome in genomes])
    proposal = candidates.following(genomes, measured, rng)
    assert len(proposal.genomes) == SETTINGS.n_new
    known = {tuple(row) for row in genomes.tolist()}
    assert not known & {tuple(row) for row in proposal.genomes.tolist()}


def test_lesson_is_each_subnet_of_the_cascades_once(candidates, genomes):
    space = candidates.space
    rows = np.stack([genome_with(genomes, space, ranks) for ranks in ((1, 0), (1, 2), (0, 1))])
    rows[2, : len(space.spaces[0].n_values)] = 0
    fused, mobile = (space.subnets(rows)[index] for index in (0, 1))
    assert candidates.lesson(0, rows) == [space.spaces[0].decode(fused[0])]
    assert candidates.lesson(1, rows) == [space.spaces[1].decode(mobile[1])]
    assert candidates.lesson(1, rows[:1]) == []
