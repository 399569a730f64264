from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from encas.nat.learning import Training, weights_of
from encas.nat.nat_settings import NatSettings
from encas.nat.pretrained import make_supernet
from encas.nat.round_history import relative_hypervolume
from encas.nat.rounds import Rounds
from encas.nat.subnet_evaluating import macs_of_genomes
from encas.nat.task import DataPlan, open_task
from encas.nat.transfer import SubnetCandidates, subnet_rounds
from encas.progress import Progress
from encas.work import drive

TRAINING = Training(batch_size=24, learning_rate=0.05)
SETTINGS = NatSettings(
    iterations=2,
    archive_size=8,
    evaluations=200,
    epochs=2,
    warm_up_epochs=2,
    n_averaged=2,
    calibration_batches=2,
    calibration_batch_size=16,
    warm_up=TRAINING,
    training=TRAINING,
)
FROZEN = replace(SETTINGS, n_new=3, epochs=0, warm_up_epochs=0)


def transfer_on(data, settings=SETTINGS, seed=0) -> Rounds[SubnetCandidates]:
    task = open_task(DataPlan(train=data), settings, seed=seed)
    supernet = make_supernet("small-fused", n_classes=2, size=8, n_channels=1)
    return subnet_rounds(supernet, task, settings, rng=np.random.default_rng(seed))


def run_through(job: Rounds[SubnetCandidates]) -> Rounds[SubnetCandidates]:
    drive(job)
    return job


def same_arrays(a, b) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=True) for k in a)


@pytest.fixture(scope="module")
def heard() -> list[Progress]:
    """All that the run `done` tells."""
    return []


@pytest.fixture(scope="module")
def done(halves, heard) -> Rounds[SubnetCandidates]:
    job = transfer_on(halves)
    drive(job, on_progress=heard.append)
    return job


def test_run_learns_and_keeps_its_books(done):
    assert [each.round for each in done.history] == [0, 1, 2]
    assert all(each.n_subnets == 8 for each in done.history)
    assert done.history[0].tau is None
    assert done.history[-1].loss < 0.69
    assert done.points[:, 0].min() < 0.2
    assert done.n_done == done.n_work
    dearest = macs_of_genomes(done.candidates.space, done.genomes, n_classes=2).max()
    assert dearest <= done.candidates.largest_cost
    expected = relative_hypervolume(done.points, done.candidates.largest_cost)
    assert done.history[-1].hypervolume == expected


def test_progress_tells_stages_and_every_round(done, heard):
    assert done.progress.is_over
    assert {each.what for each in heard} == {"adapting small-fused"}
    assert heard[0].text == "warm-up, epoch 0 of 2"
    assert (heard[-1].text, heard[-1].is_over) == ("round 2 of 2", True)
    news = [each.news for each in heard if each.news]
    assert [line.split(",")[0] for line in news] == [f"round {n}: 8 subnets" for n in range(3)]
    assert "hypervolume of error and MACs" in news[0]
    assert "surrogate tau" in news[1]


def test_front_is_what_nothing_dominates_cheapest_first(done):
    points, front = done.points, done.front
    assert (np.diff(points[front, 1]) > 0).all()
    assert (np.diff(points[front, 0]) < 0).all()
    for other in points:
        assert (points[front] <= other).all(axis=1).any()


def test_errors_are_those_of_the_settled_weights(done, halves):
    again = transfer_on(halves)
    measured = [done.candidates.measured(genome, done.settled)[0] for genome in done.genomes]
    assert np.array_equal(measured, done.points[:, 0])
    assert again.settled[0] is not again._adaptations[0].supernet


def test_killed_run_goes_on_to_the_same_bytes(halves, done):
    """Stopped after every step: in the warm-up, in a round's training, in its evaluations."""
    job = transfer_on(halves)
    while not job.finished:
        state = {key: array.copy() for key, array in job.state().items()}
        job = transfer_on(halves, seed=0)
        job.restore(state)
        job.step()
    assert same_arrays(job.state(), done.state())
    assert job.history == done.history
    assert same_arrays(weights_of(job.settled[0].module), weights_of(done.settled[0].module))


def test_seeds_give_different_runs(halves):
    one, same, other = (run_through(transfer_on(halves, FROZEN, seed=n)) for n in (1, 1, 2))
    assert same_arrays(one.state(), same.state())
    assert not np.array_equal(one.genomes, other.genomes)


def test_frozen_weights_stay_and_the_archive_grows(halves):
    job = transfer_on(halves, FROZEN)
    before = weights_of(job.settled[0].module)
    run_through(job)
    assert same_arrays(weights_of(job.settled[0].module), before)
    assert [each.n_subnets for each in job.history] == [8, 11, 14]
    assert [each.loss for each in job.history] == [None] * 3
    assert [each.n_new for each in job.history] == [8, 3, 3]
    assert len(np.unique(job.genomes, axis=0)) == 14
    assert job.history[1].tau is not None
    assert job.n_done == job.n_work
    assert job._task.train.n_samples == 32


def test_random_proposals_train_and_evaluate_as_many_subnets(halves, done):
    drawn = run_through(transfer_on(halves, replace(SETTINGS, proposer="random")))
    assert [each.n_subnets for each in drawn.history] == [8, 8, 8]
    assert drawn.n_done == drawn.n_work == done.n_work
    assert drawn.history[0].hypervolume == done.history[0].hypervolume
    assert all(each.tau is None for each in drawn.history)
    assert all(each.n_new > 0 for each in drawn.history)
