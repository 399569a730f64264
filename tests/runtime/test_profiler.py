from dataclasses import replace

import numpy as np
import pytest

from encas.errors import ProfileError
from encas.latency import LatencyProfile, Setting
from encas.runtime.clock import StabilityProtocol, Stopwatch
from encas.runtime.profiler import (
    Measuring,
    Target,
    check_same_setting,
    overhead_times_ms,
    profile_members,
)
from encas.runtime.session import HostSamples, SessionInfo
from encas.work import drive

SETTING = Setting(device="cpu", device_name="x", provider="p", n_threads=2, versions={"a": "1"})
PROTOCOL = StabilityProtocol(window=3, min_window_ms=0.001)


class Machine:
    """A clock, and sessions that take 1 ms and 0.5 ms for each row on it."""

    def __init__(self):
        self.now_ns = 0
        self.opened: list[str] = []
        self.stopwatch = Stopwatch(wall=self.clock, processor=lambda: self.now_ns)

    def clock(self) -> int:
        # The executor's own work takes time, too.
        self.now_ns += 1000
        return self.now_ns

    def target(self, name: str, *, sha256: str = "", source: str = "", setting=SETTING) -> Target:
        def open_session():
            self.opened.append(name)
            return SlowSession(self, name, sha256, setting)

        return Target(name=name, open=open_session, sha256=sha256, source=source)

    def profile(self, targets, sizes, **values) -> LatencyProfile:
        return profile_members(
            targets, sizes, protocol=PROTOCOL, stopwatch=self.stopwatch, **values
        )


class SlowSession:
    def __init__(self, machine: Machine, name: str, sha256: str, setting: Setting):
        self.machine = machine
        self.info = SessionInfo(
            name=name, input_shape=(2,), input_dtype="float32", n_classes=3, setting=setting,
            sha256=sha256,
        )  # fmt: skip

    def hold(self, x):
        return HostSamples(x)

    def run(self, batch):
        self.machine.now_ns += int((1 + 0.5 * len(batch)) * 1e6)
        return np.full((len(batch), 3), 1 / 3, np.float32)

    def warm_up(self, batch_sizes):
        for size in batch_sizes:
            self.run(np.zeros((size, 2), np.float32))


def test_profile_has_every_member_at_every_size():
    machine = Machine()
    profile = machine.profile([machine.target("a"), machine.target("b")], [8, 1, 8])
    assert [(t.name, t.batch_size) for t in profile.timings] == [
        ("a", 1), ("a", 8), ("b", 1), ("b", 8),
    ]  # fmt: skip
    assert [t.p50_ms for t in profile.timings[:2]] == pytest.approx([1.5, 5.0], abs=0.01)
    assert profile.setting == SETTING
    assert profile.call_ms > 0
    assert profile.gate_ms >= 0
    assert machine.opened == ["a", "b"]


def test_profile_goes_on_where_an_older_one_ended():
    machine = Machine()
    heard = []
    first = machine.profile([machine.target("a", sha256="1")], [1], on_progress=heard.append)
    assert [(each.done, each.total) for each in heard] == [(0, 1), (1, 1)]
    both = [machine.target("a", sha256="1"), machine.target("b", sha256="2")]
    second = machine.profile(both, [1, 4], known=first)
    assert second.timings[0] is first.timings[0]
    assert [(t.name, t.batch_size) for t in second.timings] == [
        ("a", 1), ("a", 4), ("b", 1), ("b", 4),
    ]  # fmt: skip
    assert second.gate_ms == first.gate_ms


def test_profile_of_what_is_known_opens_nothing():
    machine = Machine()
    known = machine.profile([machine.target("a", sha256="1")], [1])
    machine.opened.clear()
    assert machine.profile([machine.target("a", sha256="1")], [1], known=known) is known
    assert machine.profile([machine.target("a", source="")], [1], known=known) is known
    assert machine.opened == []


def test_profile_of_another_file_of_the_same_name_is_refused():
    machine = Machine()
    known = machine.profile([machine.target("a", sha256="1")], [1])
    with pytest.raises(ProfileError, match="a was measured with another model file"):
        machine.profile([machine.target("a", sha256="2")], [1, 2], known=known)


def test_profile_of_another_file_of_the_same_source_goes_on():
    machine = Machine()
    known = machine.profile([machine.target("a", sha256="1", source="onnx:a")], [1])
    again = machine.profile([machine.target("a", sha256="2", source="onnx:a")], [1, 2], known=known)
    assert [t.batch_size for t in again.timings] == [1, 2]


def test_profile_of_another_setting_is_not_mixed_in():
    machine = Machine()
    known = machine.profile([machine.target("a")], [1])
    other = replace(SETTING, n_threads=1, versions={"a": "2"})
    with pytest.raises(ProfileError, match="3 faults: n_threads was 2, is 1 now; versions was"):
        machine.profile([machine.target("b", setting=other)], [1], known=known)


def test_profile_of_nothing_is_refused():
    machine = Machine()
    with pytest.raises(ProfileError, match="expected members and batch sizes"):
        machine.profile([], [1])
    with pytest.raises(ProfileError, match=r"at least 1, got \[0, 1\]"):
        machine.profile([machine.target("a")], [1, 0])


def test_profile_that_does_not_settle_keeps_what_was_measured():
    machine = Machine()
    restless = machine.target("restless")
    count = iter(range(10_000))

    class Restless(SlowSession):
        def run(self, batch):
            machine.now_ns += next(count) ** 2 * 1000 * 1000
            return super().run(batch)

    restless = replace(restless, open=lambda: Restless(machine, "restless", "", SETTING))
    work = Measuring(
        [machine.target("a"), restless], [1], protocol=PROTOCOL, stopwatch=machine.stopwatch
    )
    with pytest.raises(ProfileError, match="restless at batch size 1: 10 windows never"):
        drive(work)
    assert work.profile is not None
    assert [t.name for t in work.profile.timings] == ["a"]
    assert (work.progress.done, work.progress.text) == (1, "restless")


def test_overhead_times_are_the_executors_own():
    machine = Machine()
    info = machine.target("a").open().info
    before = machine.now_ns
    times = overhead_times_ms(info, 4, protocol=PROTOCOL, stopwatch=machine.stopwatch)
    n_readings = (machine.now_ns - before) / 1000
    assert times == pytest.approx((0.001, 0.001))
    assert n_readings == 2 * 2 * (3 + 3 * 3)


def test_check_same_setting_of_the_same_setting_passes():
    check_same_setting(SETTING, replace(SETTING))


def test_profile_times_the_moving_of_a_batch_for_itself():
    machine = Machine()

    class There(SlowSession):
        """Samples lie on a device that takes 2 ms to reach."""

        def hold(self, x):
            machine.now_ns += 2_000_000
            return Place(x)

    class Place:
        def __init__(self, x):
            self.x = x

        def take(self, _rows, _size):
            return self.x

        def release(self):
            pass

    target = replace(machine.target("a"), open=lambda: There(machine, "a", "", SETTING))
    (timing,) = machine.profile([target], [8]).timings
    assert timing.p50_ms == pytest.approx(5.0, abs=0.01)
    assert timing.transfer_ms == pytest.approx(2.0, abs=0.01)
    assert (timing.sm_clock_mhz, timing.energy_mj) == (None, None)


def test_profile_on_a_gpu_tells_clock_and_energy_per_sample(monkeypatch):
    machine = Machine()

    class Meter:
        def sm_clock_mhz(self):
            return 1410.0

        def energy_mj(self):
            return machine.now_ns / 1e6  # a watt, as 1 mJ is 1 W for 1 ms

    monkeypatch.setattr("encas.runtime.turns.meter_of", lambda _device: Meter())
    gpu = machine.target("a", setting=replace(SETTING, device="cuda:0"))
    (timing,) = machine.profile([gpu], [8]).timings
    assert timing.sm_clock_mhz == 1410.0
    assert timing.energy_mj == pytest.approx(5.0 / 8, rel=0.01)


def test_paced_times_are_not_mixed_with_hot_ones():
    machine = Machine()
    known = machine.profile([machine.target("a")], [1])
    paced = replace(PROTOCOL, pace_ms=0.01)
    with pytest.raises(ProfileError, match="options was {}, is {'pace_ms': '0.01'} now"):
        profile_members(
            [machine.target("a")], [2], known=known, protocol=paced, stopwatch=machine.stopwatch
        )


def test_members_take_turns_and_those_that_were_disturbed_say_so():
    machine, heard = Machine(), []

    class Disturbed(SlowSession):
        """Takes three times as long on the wall as it runs."""

        def run(self, batch):
            ran = machine.now_ns
            answers = super().run(batch)
            machine.waited_ns += 2 * (machine.now_ns - ran)
            machine.order.append(self.info.name)
            return answers

    one = replace(SETTING, n_threads=1)
    machine.waited_ns, machine.order = 0, []
    stopwatch = Stopwatch(
        wall=lambda: machine.now_ns + machine.waited_ns, processor=lambda: machine.now_ns
    )
    targets = [
        Target(name=name, open=lambda name=name: Disturbed(machine, name, "", one))
        for name in ("a", "b")
    ]
    profile = profile_members(
        targets, [1], protocol=PROTOCOL, stopwatch=stopwatch, on_progress=heard.append
    )
    assert [t.p50_ms for t in profile.timings] == pytest.approx([1.5, 1.5], abs=0.01)
    assert [(t.clock, round(t.stretch, 2)) for t in profile.timings] == [("processor", 3.0)] * 2
    windows = machine.order[machine.order.index("b") :]
    assert windows[-6:] == ["a"] * 3 + ["b"] * 3
    (news,) = {progress.news for progress in heard if progress.news}
    assert news.startswith("this machine is busy: a took 3.0 times as long as alone")
