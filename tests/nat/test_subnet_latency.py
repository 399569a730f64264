from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from encas.errors import ProfileError, SearchError
from encas.latency import LatencyProfile, Setting, Timing
from encas.nat import run_folder as folders
from encas.nat.designs import space_of
from encas.nat.learning import Training
from encas.nat.nat_runs import NatRun
from encas.nat.nat_session import Launch, Origin, transfer
from encas.nat.nat_settings import NatSettings
from encas.nat.space import largest, sample_distinct, smallest
from encas.nat.subnet_evaluating import macs_of_genomes
from encas.nat.subnet_latency import SubnetLatency, TimedSubnets, features_of
from encas.nat.subnets import spec_of, subnet_name
from encas.nat.task import DataPlan
from encas.progress import unheard

SPACE = space_of("small-mobile", size=8, n_channels=1)
SETTING = Setting(
    device="cpu", device_name="p", provider="CPUExecutionProvider", n_threads=1, versions={}
)
PRICES = np.array([0.02, 0.003, 1e-7, 2e-7, 0.001, 3e-8, 1e-7, 0.005, 4e-7, 1e-7, 0.001, 1e-8, 0])


def profile_of(genomes, times_ms, *, space=SPACE, n_classes=2, batch_size=4) -> LatencyProfile:
    timings = tuple(
        Timing.of(
            subnet_name(space, genome),
            batch_size,
            [ms],
            source=spec_of(space, genome, n_classes=n_classes),
        )
        for genome, ms in zip(genomes, times_ms, strict=True)
    )
    return LatencyProfile(setting=SETTING, timings=timings)


def world(n=40, noise=0.0, seed=0):
    """Subnets whose times are sums of those of their blocks, but for some noise."""
    rng = np.random.default_rng(seed)
    genomes = sample_distinct(SPACE, n, rng)
    times = features_of(SPACE, genomes, n_classes=2) @ PRICES
    return genomes, times * rng.normal(1, noise, n)


def test_times_that_are_sums_over_blocks_are_found():
    fit = SubnetLatency.fit(profile_of(*world()), SPACE, n_classes=2)
    genomes, times = world(100, seed=5)
    np.testing.assert_allclose(fit(genomes), times, rtol=1e-3)
    assert fit.batch_size == 4
    assert fit.quality.n == 40
    assert fit.quality.largest_error < 0.02
    assert fit.quality.tau > 0.97
    assert (fit.prices >= 0).all()


def test_a_time_is_the_same_to_the_last_bit_whatever_others_it_is_asked_with():
    fit = SubnetLatency.fit(profile_of(*world(noise=0.1)), SPACE, n_classes=2)
    genomes, _ = world(60, seed=5)
    assert fit(genomes).tolist() == [float(fit(genome[None])[0]) for genome in genomes]
    assert fit(genomes[7:31]).tolist() == fit(genomes).tolist()[7:31]
    assert fit(genomes[:0]).shape == (0,)


def test_the_stated_error_is_that_of_times_without_a_part_in_the_fit():
    """With as many prices as subnets a fit has no error; what is stated must not be that."""
    noise = 0.1
    fit = SubnetLatency.fit(profile_of(*world(noise=noise)), SPACE, n_classes=2)
    genomes, times = world(400, seed=7)
    new = np.abs(fit(genomes) / (times * np.random.default_rng(1).normal(1, noise, 400)) - 1)
    assert fit.quality.median_error == pytest.approx(np.median(new), rel=0.5)
    assert 0.04 < fit.quality.median_error < 0.15


def test_other_models_and_batch_sizes_do_not_matter():
    genomes, times = world()
    own = profile_of(genomes, times)
    other = space_of("small-fused", size=8, n_channels=1)
    foreign = [
        *profile_of([largest(other)], [1.0], space=other).timings,
        *(
            replace(timing, name=f"five-{timing.name}")
            for timing in profile_of(genomes[:3], times[:3] * 9, n_classes=5).timings
        ),
        *profile_of(genomes, times * 7, batch_size=8).timings,
        Timing.of("resnet18", 4, [3.0], source="timm:resnet18"),
        Timing.of("unknown", 4, [3.0]),
        Timing.of("broken", 4, [3.0], source="torch:encas.nat.subnets:subnet?genome=1-2"),
    ]
    mixed = replace(own, timings=(*foreign, *own.timings))
    fit = SubnetLatency.fit(mixed, SPACE, n_classes=2, batch_size=4)
    assert fit.quality.n == 40
    expected = SubnetLatency.fit(own, SPACE, n_classes=2)
    assert np.array_equal(fit.prices, expected.prices)
    with pytest.raises(ProfileError, match="batch sizes 4, 8: say which with --latency-batch-size"):
        SubnetLatency.fit(mixed, SPACE, n_classes=2)


@pytest.mark.parametrize(
    ("changes", "got"),
    [({"n_classes": 3}, 0), ({"batch_size": 2}, 0), ({"space": space_of("small-mobile")}, 0)],
)
def test_too_few_subnets_are_refused(changes, got):
    asked = {"space": SPACE, "n_classes": 2} | changes
    space = asked.pop("space")
    with pytest.raises(ProfileError, match=rf"at least 16 subnets .* got {got}; `encas nat prof"):
        SubnetLatency.fit(profile_of(*world()), space, **asked)
    with pytest.raises(ProfileError, match="got 15"):
        SubnetLatency.fit(profile_of(*world(15)), SPACE, n_classes=2)


TRAINING = Training(batch_size=24, learning_rate=0.05)
SETTINGS = NatSettings(
    iterations=1,
    archive_size=8,
    evaluations=60,
    epochs=1,
    warm_up_epochs=1,
    calibration_batches=2,
    calibration_batch_size=16,
    warm_up=TRAINING,
    training=TRAINING,
)


@pytest.fixture(scope="module")
def timed():
    """Times that have little to do with MACs: every layer costs the same."""
    genomes = sample_distinct(SPACE, 40, np.random.default_rng(0))
    features = features_of(SPACE, genomes, n_classes=2)
    return TimedSubnets(profile=profile_of(genomes, 1 + features[:, [1, 4, 7, 10]].sum(axis=1)))


def run(halves, out, timed, *, hear=unheard, **launch) -> NatRun:
    origin, plan = Origin(supernet="small-mobile"), DataPlan(train=halves)
    launch = Launch(**launch)
    return transfer(origin, plan, SETTINGS, out, launch=launch, timed=timed, on_progress=hear)


@pytest.fixture(scope="module")
def made(halves, tmp_path_factory, timed) -> NatRun:
    """A run that never stopped, to be left as it is."""
    return run(halves, tmp_path_factory.mktemp("runs") / "run", timed)


def test_a_run_searches_for_short_times(halves, made, timed):
    genomes = made.genomes([subnet.genome for subnet in made.archive])
    fit = SubnetLatency.fit(timed.profile, made.space, n_classes=2)
    times = [subnet.latency_ms for subnet in made.archive]
    assert times == fit(genomes).tolist()
    macs = macs_of_genomes(made.space, genomes, n_classes=2)
    assert [subnet.macs for subnet in made.archive] == macs.tolist()
    front = [made.scored(genome) for genome in made.front]
    assert [s.cost for s in front] == sorted(s.latency_ms for s in front)
    points = made.points
    for error, ms in points:
        assert any(s.error <= error and s.latency_ms <= ms for s in front)
    assert made.settings["latency"]["profile_sha256"] == timed.profile.digest
    assert made.settings["latency"]["n"] == 40
    assert made.points[:, 1].max() <= fit(largest(made.space)[None])[0] * 1.001
    assert fit(smallest(made.space)[None])[0] >= 1
    assert NatRun.load(made.folder) == made
    assert run(halves, made.folder, timed, resume=True) == made
    for other in (None, with_times_changed(timed)):
        with pytest.raises(SearchError, match="holds a finished run with other latency"):
            run(halves, made.folder, other, resume=True)


def with_times_changed(timed) -> TimedSubnets:
    first, *others = timed.profile.timings
    changed = replace(first, p50_ms=first.p50_ms * 2)
    return TimedSubnets(profile=replace(timed.profile, timings=(changed, *others)))


class KilledError(Exception):
    """As if somebody had pulled the plug."""


def test_a_killed_run_goes_on_by_the_same_times_only(halves, tmp_path, made, timed, monkeypatch):
    monkeypatch.setattr(folders, "SAVE_EVERY_S", 0.0)

    def kill(progress):
        if progress.news:
            raise KilledError

    with pytest.raises(KilledError):
        run(halves, tmp_path / "killed", timed, hear=kill)
    for other in (None, with_times_changed(timed)):
        with pytest.raises(SearchError, match="a run with other settings"):
            run(halves, tmp_path / "killed", other, resume=True)
    resumed = run(halves, tmp_path / "killed", timed, resume=True)
    assert resumed == replace(made, folder=resumed.folder)


def test_times_of_another_supernetwork_are_refused_before_anything_is_written(halves, tmp_path):
    genomes, times = world()
    with pytest.raises(ProfileError, match="expected at least 16 subnets of small-mobile"):
        run(halves, tmp_path / "run", TimedSubnets(profile=profile_of(genomes, times, n_classes=7)))
    assert not (tmp_path / "run").exists()
