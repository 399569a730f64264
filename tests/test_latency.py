import json
from dataclasses import replace

import numpy as np
import pytest

from encas.errors import ProfileError
from encas.latency import LatencyProfile, Setting, Timing, given_profile

SETTING = Setting(device="cpu", device_name="x", provider="p", n_threads=2, versions={"a": "1"})


def profile(gate_ms: float = 0.0, call_ms: float = 0.0) -> LatencyProfile:
    times = {"a": {1: 1.0, 4: 2.5}, "b": {1: 10.0, 4: 40.0}}
    return LatencyProfile(
        setting=SETTING,
        timings=tuple(
            Timing.of(name, size, [ms])
            for name, curve in times.items()
            for size, ms in curve.items()
        ),
        gate_ms=gate_ms,
        call_ms=call_ms,
    )


@pytest.mark.parametrize(
    ("rows", "expected"), [(0, 0.0), (0.5, 0.5), (1, 1.0), (2.5, 1.75), (4, 2.5)]
)
def test_member_ms_is_linear_between_the_profiled_sizes(rows, expected):
    assert float(profile().member_ms("a", rows)) == pytest.approx(expected)


def test_member_ms_of_an_array_has_its_shape():
    rows = np.array([[0.0, 1.0], [4.0, 2.5]])
    assert profile().member_ms("a", rows).tolist() == [[0.0, 1.0], [2.5, 1.75]]
    assert profile().member_ms("a", np.empty(0)).shape == (0,)


def test_transfer_is_that_of_the_profiled_size_or_the_next_one_above():
    given = profile()
    moved = {("a", 1): 0.25, ("a", 4): 0.5, ("b", 1): 3.0, ("b", 4): 9.0}
    timings = tuple(replace(t, transfer_ms=moved[t.name, t.batch_size]) for t in given.timings)
    found = replace(given, timings=timings)
    assert [found.transfer_ms("a", size) for size in (1, 2, 4, 5)] == [0.25, 0.5, 0.5, 0.0]
    assert (found.transfer_ms("b", 4), found.transfer_ms("z", 1)) == (9.0, 0.0)


def test_member_ms_beyond_the_profile_is_refused():
    with pytest.raises(ProfileError, match="a was measured up to batch size 4, asked for 5 rows"):
        profile().member_ms("a", 5.0)
    with pytest.raises(ProfileError, match=r"no timing of member 'z' \(measured: a, b\)"):
        profile().member_ms("z", 1.0)


def test_cascade_ms_at_batch_1_is_the_sum_of_reach_times_member():
    assert profile().cascade_ms(["a", "b"], [1.0, 0.3], batch_size=1) == pytest.approx(1 + 3.0)


def test_cascade_ms_of_fewer_reaches_than_members_is_refused():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        profile().cascade_ms(["a", "b"], [1.0], batch_size=1)


def test_cascade_ms_counts_the_gates_that_are_reached():
    found = profile(gate_ms=0.5).cascade_ms(["a", "b"], [1.0, 0.5], batch_size=4)
    assert found == pytest.approx(2.5 + 20.0 + 0.5)
    single = profile(gate_ms=0.5).cascade_ms(["b"], [1.0], batch_size=1)
    assert single == pytest.approx(10.0)


def test_cascade_ms_counts_the_call_once():
    timed = profile(gate_ms=0.5, call_ms=0.25)
    assert timed.cascade_ms(["b"], [1.0], batch_size=1) == pytest.approx(10.25)
    corrected = replace(timed, overhead_correction=2.0)
    found = corrected.cascade_ms(["a", "b"], [1.0, 0.5], batch_size=4)
    assert found == pytest.approx(2.5 + 20.0 + 2 * 0.75)


def test_moving_a_batch_is_the_median_over_members_and_part_of_the_prediction():
    still = profile()
    taking = {("a", 1): 0.1, ("a", 4): 0.4, ("b", 1): 0.3, ("b", 4): 0.8}
    moved = replace(
        still,
        timings=tuple(
            replace(timing, transfer_ms=taking[timing.name, timing.batch_size])
            for timing in still.timings
        ),
    )
    assert still.moving_ms(4) == 0
    assert moved.moving_ms(1) == pytest.approx(0.2)
    assert moved.moving_ms(4) == pytest.approx(0.6)
    for members, reach in ((["a"], [1.0]), (["b", "a"], [1.0, 0.5])):
        whole = moved.cascade_ms(members, reach, batch_size=4)
        assert whole == pytest.approx(still.cascade_ms(members, reach, batch_size=4) + 0.6)


def test_profile_saved_and_loaded_is_the_same(tmp_path):
    path = tmp_path / "profile.json"
    profile(0.25, 0.5).save(path)
    assert LatencyProfile.load(path) == profile(0.25, 0.5)


def test_profile_of_timings_alone_adds_nothing():
    plain = LatencyProfile(setting=SETTING, timings=profile().timings)
    assert plain == profile()
    assert plain.cascade_ms(["a", "b"], [1.0, 0.5], batch_size=4) == pytest.approx(22.5)
    assert repr(plain).endswith("overhead_correction=1.0)")


def test_profile_is_given_as_itself_as_its_file_or_not_at_all(tmp_path):
    path = tmp_path / "p.json"
    given = profile()
    given.save(path)
    assert given_profile(None) is None
    assert given_profile(given) is given
    assert given_profile(path) == given_profile(str(path)) == given
    with pytest.raises(ProfileError, match="expected a LatencyProfile or the path of one, got int"):
        given_profile(3)  # type: ignore[arg-type]


def test_profile_names_members_and_batch_sizes():
    assert profile().members == ("a", "b")
    assert profile().batch_sizes("b") == (1, 4)


@pytest.mark.parametrize("change", [{"batch_size": 0}, {"p50_ms": 0.0}, {"p50_ms": float("nan")}])
def test_timing_of_no_rows_or_no_time_is_refused(change):
    bad = replace(profile().timings[0], **change)
    with pytest.raises(ProfileError, match="a: batch size and time must be positive, got"):
        LatencyProfile(setting=SETTING, timings=(bad,))


def test_profile_with_a_pair_twice_or_a_time_of_nothing_is_refused():
    timings = profile().timings
    bad = replace(timings[0], batch_size=0, p50_ms=0.0)
    with pytest.raises(ProfileError, match="2 faults: a at batch size 1 comes twice; a: batch"):
        LatencyProfile(setting=SETTING, timings=(*timings, timings[0], bad))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "encas.front"}, "format must be"),
        ({"gate_ms": -1}, "gate_ms must be at least 0"),
        ({"timings": [{"name": "a"}]}, r"timings\[0\] lacks the key"),
        ({"setting": {}}, "setting lacks the key 'device'"),
    ],
)
def test_profile_file_with_faults_is_refused(tmp_path, change, message):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(profile().to_json() | change))
    with pytest.raises(ProfileError, match=message):
        LatencyProfile.load(path)


def test_corrections_multiply_the_times_and_leave_the_timings():
    corrected = replace(profile(), corrections={"a": 1.5})
    assert float(corrected.member_ms("a", 4)) == pytest.approx(3.75)
    assert float(corrected.member_ms("b", 4)) == pytest.approx(40.0)
    assert corrected.timings == profile().timings


def test_corrections_come_back_from_the_file(tmp_path):
    corrected = replace(profile(), corrections={"a": 1.5}, overhead_correction=2.0)
    corrected.save(tmp_path / "p.json")
    assert LatencyProfile.load(tmp_path / "p.json") == corrected


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_correction_that_is_no_factor_is_refused(factor):
    with pytest.raises(ProfileError, match="a: a correction must be positive"):
        replace(profile(), corrections={"a": factor})


def test_profile_of_before_corrections_and_transfers_is_read(tmp_path):
    content = profile().to_json()
    for key in ("corrections", "call_ms", "overhead_correction"):
        del content[key]
    for timing in content["timings"]:
        for key in ("transfer_ms", "sm_clock_mhz", "energy_mj"):
            del timing[key]
    (tmp_path / "p.json").write_text(json.dumps(content))
    assert LatencyProfile.load(tmp_path / "p.json") == profile()


def test_profile_says_which_times_others_disturbed(tmp_path):
    assert profile().note == ""
    timings = [
        Timing.of("a", 1, [2.0, 3.0, 4.0], clock="processor", undisturbed_ms=1.0),
        Timing.of("b", 1, [7.5], clock="processor", undisturbed_ms=5.0),
        Timing.of("c", 1, [1.0]),
    ]
    disturbed = replace(profile(), timings=tuple(timings))
    assert disturbed.note == (
        "the machine was busy: 2 of 3 times are made of processor time, since calls took 1.5 to 3 "
        "times as long (marked *; clock: processor in the file)"
    )
    assert disturbed.member_ms("a", 1.0) == 1.0
    disturbed.save(tmp_path / "p.json")
    assert LatencyProfile.load(tmp_path / "p.json") == disturbed


def test_profile_of_an_unknown_clock_is_refused(tmp_path):
    content = profile().to_json()
    content["timings"][0]["clock"] = "sun"
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(ProfileError, match="clock must be one of .*'wall', 'processor'"):
        LatencyProfile.load(tmp_path / "p.json")
