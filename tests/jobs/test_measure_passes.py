import time
from dataclasses import replace

import numpy as np
import pytest

from encas.errors import ProfileError
from encas.jobs.measure_latency import MeasureOptions
from encas.jobs.measure_passes import profile_in_passes, quickest
from encas.latency import LatencyProfile, Timing
from encas.runtime.clock import StabilityProtocol
from encas.runtime.profiler import Target
from encas.runtime.session import NO_DEVICE, NullSession, SessionInfo

OPTIONS = MeasureOptions(
    protocol=StabilityProtocol(window=3, min_window_ms=0.001, tolerance=1.0, max_windows=500)
)
UNIFORM = np.full((4, 2), 0.5, np.float32)


class House:
    """Models on a machine that is busy at first: each opening takes the next of its times."""

    def __init__(self, **times_ms: list[float]) -> None:
        self.times_ms = {name: list(times) for name, times in times_ms.items()}
        self.opened: list[str] = []

    def target(self, name: str) -> Target:
        def opened() -> NullSession:
            if not self.times_ms[name]:
                raise RuntimeError("killed")
            self.opened.append(name)
            info = SessionInfo(
                name=name, input_shape=(2,), input_dtype="float32", n_classes=2, setting=NO_DEVICE
            )
            return WaitingSession(info, self.times_ms[name].pop(0))

        return Target(name=name, open=opened, source=f"timm:{name}")

    @property
    def targets(self) -> list[Target]:
        return [self.target(name) for name in self.times_ms]


class WaitingSession(NullSession):
    def __init__(self, info: SessionInfo, ms: float) -> None:
        super().__init__(UNIFORM, info)
        self._ms = ms

    def run(self, batch):
        until = time.perf_counter() + self._ms / 1e3
        while time.perf_counter() < until:
            pass
        return super().run(batch)


def timing(name, ms, batch_size=1, source="") -> Timing:
    return Timing.of(name, batch_size, [ms], source=source)


def profile(*timings) -> LatencyProfile:
    return LatencyProfile(setting=NO_DEVICE, timings=timings)


def test_the_quickest_pass_of_each_model_and_size_counts():
    first = replace(profile(timing("a", 2.0), timing("b", 1.0), timing("b", 9.0, 8)), call_ms=0.5)
    second = profile(timing("a", 1.5), timing("b", 1.2), timing("b", 8.0, 8), timing("c", 3.0))
    found = quickest([first, second])
    assert {(t.name, t.batch_size): t.p50_ms for t in found.timings} == {
        ("a", 1): 1.5,
        ("b", 1): 1.0,
        ("b", 8): 8.0,
        ("c", 1): 3.0,
    }
    assert found.call_ms == 0.5


def test_a_neighbour_who_is_there_in_one_pass_does_not_matter(tmp_path):
    house = House(a=[8.0, 1.0, 8.0], b=[1.0, 8.0, 8.0])
    told, out = [], tmp_path / "profile.json"
    made = profile_in_passes(
        house.targets, [2], out=out, options=OPTIONS, n_passes=3, on_progress=told.append
    )
    assert house.opened == ["a", "b"] * 3
    assert {each.total for each in told} == {6}
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert {0, 2, 4, 6} <= {each.done for each in told}
    assert all(1 <= t.p50_ms < 8 for t in made.timings)
    assert LatencyProfile.load(out) == made
    assert list(tmp_path.iterdir()) == [out]
    again = profile_in_passes(house.targets, [2], out=out, options=OPTIONS, n_passes=3)
    assert again == made


def test_what_a_killed_call_measured_is_not_measured_again(tmp_path):
    out = tmp_path / "profile.json"
    killed = House(a=[0.1, 0.1], b=[0.1])
    with pytest.raises(RuntimeError, match="killed"):
        profile_in_passes(killed.targets, [1], out=out, options=OPTIONS, n_passes=2)
    assert not out.exists()
    house = House(a=[], b=[0.1])
    made = profile_in_passes(house.targets, [1], out=out, options=OPTIONS, n_passes=2)
    assert house.opened == ["b"]
    assert made.members == ("a", "b")
    assert list(tmp_path.iterdir()) == [out]


def test_models_are_added_to_a_profile_that_keeps_its_times(tmp_path):
    out = tmp_path / "profile.json"
    profile(timing("a", 5.0, source="timm:a")).save(out)
    house = House(a=[], b=[0.1, 0.1])
    made = profile_in_passes(house.targets, [1], out=out, options=OPTIONS, n_passes=2)
    assert made.member_ms("a", 1.0) == 5.0
    assert house.opened == ["b", "b"]


def test_times_of_another_model_by_the_same_name_are_refused(tmp_path):
    out = tmp_path / "profile.json"
    profile(timing("a", 5.0, source="timm:other")).save(out)
    house = House(a=[0.1])
    with pytest.raises(ProfileError, match="times of 1 other models by the same names, as a, made"):
        profile_in_passes(house.targets, [1], out=out, options=OPTIONS, n_passes=2)
    assert house.opened == []


def test_times_of_another_setting_are_refused(tmp_path):
    out = tmp_path / "profile.json"
    replace(profile(timing("z", 5.0)), setting=replace(NO_DEVICE, n_threads=8)).save(out)
    before = out.read_bytes()
    with pytest.raises(ProfileError, match="n_threads was 8, is 0 now"):
        profile_in_passes(House(a=[0.1]).targets, [1], out=out, options=OPTIONS, n_passes=2)
    assert out.read_bytes() == before
    assert list(tmp_path.iterdir()) == [out]
