import json
from dataclasses import replace
from pathlib import Path

import pytest

from encas.cascade import Cascade
from encas.fronts.front import Front
from encas.fronts.scored_cascade import PoolReference, ScoredCascade
from encas.jobs.tuning.deployed import Numerics
from encas.jobs.tuning.tune_report import Pair, TimedCascade, TuneReport, TuneRound, changes
from encas.latency import Setting


def cascade(*members: str) -> Cascade:
    return Cascade(members=members, thresholds=(0.5,) * (len(members) - 1))


def timed(measured_ms: float, predicted_ms: float = 1.0) -> TimedCascade:
    return TimedCascade(
        cascade=cascade("a"), error=0.1, macs=5.0, predicted_ms=predicted_ms,
        measured_ms=measured_ms,
    )  # fmt: skip


def pair(by_macs: float, predicted: float, by_latency: float) -> Pair:
    return Pair(by_macs=timed(by_macs), predicted=timed(predicted), by_latency=timed(by_latency))


def front(*members: tuple[str, ...]) -> Front:
    return Front(
        pool=PoolReference(name="p", sha256="0" * 64, n_samples=8, n_classes=3),
        objectives=("error", "macs"),
        cascades=tuple(
            ScoredCascade(cascade=cascade(*m), error=0.5, cost=1, reach=(1.0,) * len(m))
            for m in members
        ),
    )


def report(*pairs: Pair, last: float = 0.05, tolerance: float = 0.05) -> TuneReport:
    rounds = (TuneRound.of([0.5]), TuneRound.of([last]))
    numerics = Numerics(name="a", max_difference=0.1, tolerance=0.1, n_samples=3)
    return TuneReport(
        setting=Setting(device="cpu", device_name="x", provider="p", n_threads=1, versions={}),
        batch_size=2, n_models=3, profiled=("a",), numerics=(numerics,), recomputed=(),
        rounds=rounds, held_out=None, tolerance=tolerance, corrections={"a": 1.5},
        overhead_correction=1.0, pairs=pairs, n_by_macs=1, n_by_latency=1, n_changed=0,
        members_gone=(), members_new=(), bundles=(Path("out") / "1",),
    )  # fmt: skip


def test_prediction_error_is_relative_to_what_was_measured():
    assert timed(2.0, 3.0).prediction_error == 0.5
    assert timed(4.0, 3.0).prediction_error == -0.25


def test_round_has_the_median_and_the_largest_of_all_errors_whatever_their_sign():
    found = TuneRound.of([0.1, -0.5, 0.2])
    assert found == TuneRound(n_cascades=3, median_error=0.2, largest_error=0.5)


@pytest.mark.parametrize(
    ("predicted", "is_slower"), [(100.0, False), (105.0, False), (105.1, True), (90.0, False)]
)
def test_pair_is_mispredicted_where_the_prediction_is_slower_than_noise_explains(
    predicted, is_slower
):
    assert pair(100.0, predicted, 50.0).is_mispredicted is is_slower


def test_speed_up_is_the_time_by_macs_over_that_by_latency():
    assert pair(100.0, 1.0, 40.0).speed_up == 2.5


def test_report_counts_pairs_that_are_really_faster_and_mispredicted_ones():
    made = report(pair(106.0, 106.0, 100.0), pair(105.0, 200.0, 100.0), pair(100.0, 106.0, 100.0))
    assert (made.n_faster, made.n_mispredicted) == (1, 2)


@pytest.mark.parametrize(("last", "has_settled"), [(0.05, True), (0.051, False), (0.0, True)])
def test_report_has_settled_where_the_last_round_is_within_the_tolerance(last, has_settled):
    assert report(last=last).has_settled is has_settled


def test_report_as_json_has_what_follows_from_it():
    made = report(pair(100.0, 110.0, 50.0))
    content = json.loads(json.dumps(made.to_json()))
    assert (content["format"], content["version"]) == ("encas.tune", 1)
    assert content["numerics"] == [
        {"name": "a", "max_difference": 0.1, "tolerance": 0.1, "n_samples": 3, "agrees": True}
    ]
    assert content["pairs"][0]["speed_up"] == 2.0
    assert content["pairs"][0]["is_mispredicted"] is True
    assert content["pairs"][0]["by_macs"]["cascade"]["members"] == ["a"]
    assert content["bundles"] == [str(Path("out") / "1")]
    assert (content["has_settled"], content["n_faster"], content["n_mispredicted"]) == (True, 1, 1)


def test_changes_count_cascades_and_name_members_of_one_front_alone():
    found = changes(front(("a",), ("a", "d"), ("c",)), front(("a",), ("b", "a"), ("e",), ("c",)))
    assert found == {
        "n_by_macs": 3, "n_by_latency": 4, "n_changed": 2,
        "members_gone": ("d",), "members_new": ("b", "e"),
    }  # fmt: skip
    assert changes(front(), front()) == {
        "n_by_macs": 0, "n_by_latency": 0, "n_changed": 0, "members_gone": (), "members_new": (),
    }  # fmt: skip


def test_numerics_agree_up_to_the_tolerance_itself():
    same = Numerics(name="a", max_difference=0.1, tolerance=0.1, n_samples=1)
    assert same.agrees
    assert not replace(same, max_difference=0.1001).agrees
