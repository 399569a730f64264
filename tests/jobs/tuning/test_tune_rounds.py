"""Rounds on a bench whose times are known: a stand-in for a machine that never varies."""

from dataclasses import replace

import pytest

from encas.cascade import Cascade
from encas.evaluate.objectives import TopOneError, front_costs
from encas.fronts.front import Front
from encas.fronts.scored_cascade import PoolReference
from encas.fronts.scoring import score
from encas.jobs.tuning.correction import Composed
from encas.jobs.tuning.tune_report import TimedCascade
from encas.jobs.tuning.tune_rounds import Found, TuneRounds, searched, timed
from encas.jobs.tuning.tune_settings import TuneSettings
from encas.latency import LatencyProfile, Timing
from encas.runtime.session import NO_DEVICE
from encas.search.options import SearchOptions

SETTINGS = TuneSettings(
    batch_size=2, n_measured=3, rounds=3, searching=SearchOptions(evaluations=500, max_members=2)
)
TIMES = {"cheap": 4.0, "middle": 1.0, "dear": 9.0}


def profile_of(**corrections: float) -> LatencyProfile:
    timings = tuple(
        Timing.of(name, size, [ms * size]) for name, ms in TIMES.items() for size in (1, 2)
    )
    return LatencyProfile(setting=NO_DEVICE, timings=timings, corrections=corrections)


class KnownMachine:
    """A bench on a machine whose members really take what `truth` says."""

    def __init__(self, truth: LatencyProfile) -> None:
        self.truth = truth
        self.measured = {}
        self.turns = []

    @property
    def known(self):
        return list(self.measured.values())

    def timed(self, scored, profile):
        one = self.measured.get(scored.cascade) or self._composed(scored)
        self.measured[scored.cascade] = one
        return TimedCascade(
            cascade=scored.cascade, error=scored.error, macs=scored.costs["macs"],
            predicted_ms=one.predicted_ms(profile), measured_ms=one.measured_ms,
        )  # fmt: skip

    def in_turns(self, cascades):
        self.turns.append(list(cascades))
        return [self.measured[cascade].measured_ms * 10 for cascade in cascades]

    def _composed(self, scored):
        ms = self.truth.cascade_ms(scored.cascade.members, scored.reach, batch_size=2)
        return Composed(cascade=scored.cascade, reach=scored.reach, batch_size=2, measured_ms=ms)


@pytest.fixture
def by_macs(tiny_pool) -> Front:
    return searched(tiny_pool, "macs", SETTINGS)


def rounds_of(pool, truth, settings=SETTINGS) -> TuneRounds:
    return TuneRounds(
        pool=pool, bench=KnownMachine(truth), settings=settings, on_progress=lambda _: None
    )


def test_searched_front_is_that_of_the_wanted_cost(tiny_pool, by_macs):
    assert by_macs.objectives == ("error", "macs")
    assert by_macs.cascades[0].cascade.members == ("cheap",)
    found = searched(tiny_pool, "latency", SETTINGS, profile=profile_of())
    assert (found.objectives, found.batch_size) == (("error", "latency"), 2)
    assert found.cascades[0].cascade.members == ("middle",)
    assert found.cascades[0].cost == 2.0


def test_timed_front_keeps_its_cascades_and_has_their_times(tiny_pool, by_macs):
    found = timed(by_macs, tiny_pool, profile_of(), 2)
    assert [one.cascade for one in found.cascades] == [one.cascade for one in by_macs.cascades]
    assert (found.objectives, found.batch_size) == (("error", "latency"), 2)
    assert found.cascades[0].cost == 8.0


def test_prediction_that_is_right_ends_after_one_round(tiny_pool, by_macs):
    found = rounds_of(tiny_pool, profile_of()).turned(by_macs, profile_of())
    assert [one.median_error for one in found.rounds] == [pytest.approx(0)]
    assert found.profile == profile_of()


def test_prediction_that_is_wrong_is_corrected_until_it_is_right(tiny_pool, by_macs):
    truth = profile_of(cheap=1.5, middle=1.5, dear=1.5)
    found = rounds_of(tiny_pool, truth).turned(by_macs, profile_of())
    first, *_, last = found.rounds
    assert first.median_error == pytest.approx(1 / 3)
    assert last.median_error <= SETTINGS.tolerance
    assert found.profile.corrections["middle"] == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize("n", [1, 2])
def test_rounds_are_not_more_than_are_allowed(tiny_pool, by_macs, n):
    settings = replace(SETTINGS, rounds=n, tolerance=1e-12)
    truth = profile_of(cheap=1.5, middle=1.2, dear=1.7)
    assert len(rounds_of(tiny_pool, truth, settings).turned(by_macs, profile_of()).rounds) == n


def test_pairs_are_cascades_by_macs_beside_the_fastest_that_are_as_accurate(tiny_pool, by_macs):
    rounds = rounds_of(tiny_pool, profile_of())
    found = rounds.turned(by_macs, profile_of())
    assert found.pairs[0].by_macs.cascade.members == ("cheap",)
    assert found.pairs[0].predicted.cascade.members == ("middle",)
    for pair in found.pairs:
        assert pair.predicted.error <= pair.by_macs.error
        assert pair.predicted.predicted_ms <= pair.by_macs.predicted_ms


def test_held_out_cascades_are_those_that_were_not_measured(tiny_pool, by_macs):
    rounds = rounds_of(tiny_pool, profile_of(), replace(SETTINGS, n_measured=1))
    found = rounds.turned(by_macs, profile_of())
    known = {one.cascade for one in rounds.bench.known}
    others = [one for one in found.by_latency.cascades if one.cascade not in known]
    held_out = rounds.held_out(found)
    assert held_out.n_cascades == 1 <= len(others)
    assert held_out.largest_error == pytest.approx(0)
    for one in others:
        rounds.bench.timed(one, profile_of())
    assert rounds.held_out(found) is None


def test_recommended_are_timed_in_turns_and_what_is_not_dominated_is_the_front(tiny_pool):
    """By the measured times middle beats cheap, which is less accurate and slower."""
    cascades = [Cascade(members=(name,), thresholds=()) for name in ("cheap", "middle", "dear")]
    costs = front_costs(("error", "macs"), tiny_pool)
    reference = PoolReference(name="tiny", sha256="0" * 64, n_samples=8, n_classes=3)
    front = Front(
        pool=reference,
        objectives=("error", "macs"),
        cascades=tuple(score(cascades, tiny_pool, TopOneError(), costs)),
    )
    rounds = rounds_of(tiny_pool, profile_of())
    retimed = timed(front, tiny_pool, profile_of(), 2)
    pairs = rounds.pairs(retimed, retimed, profile_of())
    found = Found(profile=profile_of(), by_macs=retimed, by_latency=retimed, pairs=pairs, rounds=())
    made, final = rounds.recommended(found)
    assert [one.cascade.members for one in made.cascades] == [("middle",), ("dear",)]
    assert [one.cost for one in made.cascades] == [20.0, 180.0]
    assert len(rounds.bench.turns) == 1
    assert sorted(c.members for c in rounds.bench.turns[0]) == [("cheap",), ("dear",), ("middle",)]
    assert final[0].by_macs.measured_ms == 80.0
    assert final[0].by_latency.cascade.members == ("middle",)
