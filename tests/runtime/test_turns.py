"""Members that take turns, on a clock of their own."""

from dataclasses import replace

import numpy as np
import pytest

from encas.runtime.clock import StabilityProtocol, Stopwatch
from encas.runtime.session import NO_DEVICE, HostSamples, SessionInfo
from encas.runtime.turns import MOST_MEMBERS, Turns

PROTOCOL = StabilityProtocol(window=3, min_window_ms=0.001)


class Bench:
    """A stopwatch, and sessions that note who ran with how many rows."""

    def __init__(self, device="cpu", n_threads=1):
        self.now_ns, self.ran = 0, []
        self.setting = replace(NO_DEVICE, device=device, n_threads=n_threads)
        stopwatch = Stopwatch(wall=lambda: self.now_ns, processor=lambda: self.now_ns)
        self.turns = Turns(protocol=PROTOCOL, stopwatch=stopwatch)

    def add(self, name, sizes=(1,)):
        self.turns.add(NotedSession(self, name), sizes, name=name, source=f"onnx:{name}")

    def windows(self):
        """Steps until nothing waits; whose window each step was, in order, and the times."""
        order, taken = [], []
        while self.turns.n_waiting:
            self.ran.clear()
            self.turns.step()
            order.append(self.ran[-1])
            taken += self.turns.taken()
        return order, [(timing.name, timing.batch_size) for timing in taken]


class NotedSession:
    def __init__(self, bench, name):
        self.bench = bench
        self.info = SessionInfo(
            name=name, input_shape=(2,), input_dtype="float32", n_classes=3,
            setting=bench.setting, sha256=f"{name}-hash",
        )  # fmt: skip

    def hold(self, x):
        return HostSamples(x)

    def run(self, batch):
        self.bench.ran.append((self.info.name, len(batch)))
        self.bench.now_ns += 5_000_000
        return np.full((len(batch), 3), 1 / 3, np.float32)

    def warm_up(self, batch_sizes):
        pass


def test_members_and_sizes_on_a_cpu_take_turns():
    bench = Bench()
    bench.add("a", (1, 4))
    bench.add("b", (1, 4))
    assert bench.turns.next_name == "a"
    order, taken = bench.windows()
    once = [("a", 1), ("a", 4), ("b", 1), ("b", 4)]
    assert order == once * 3
    assert taken == once
    assert (bench.turns.next_name, bench.turns.taken()) == ("", [])


def test_times_elsewhere_come_one_after_the_other():
    bench = Bench(device="cuda:0")
    bench.add("a", (1, 4))
    assert not bench.turns.has_room
    order, taken = bench.windows()
    assert order == [("a", 1)] * 3 + [("a", 4)] * 3
    assert taken == [("a", 1), ("a", 4)]
    assert bench.turns.has_room


def test_there_is_room_for_a_few_members_until_they_have_begun():
    bench = Bench()
    for n in range(MOST_MEMBERS):
        assert bench.turns.has_room
        bench.add(f"m{n}")
    assert not bench.turns.has_room
    bench = Bench()
    bench.add("a")
    bench.turns.step()
    assert not bench.turns.has_room


@pytest.mark.parametrize("n_threads", [1, 2])
def test_long_calls_on_several_threads_are_known_when_the_company_is(n_threads):
    bench = Bench(n_threads=n_threads)
    bench.add("a")
    bench.add("b")
    known = []
    for _ in range(6):
        bench.turns.step()
        known.append([timing.name for timing in bench.turns.taken()])
    alone, together = [[], [], [], [], ["a"], ["b"]], [[], [], [], [], [], ["a", "b"]]
    assert known == (alone if n_threads == 1 else together)


def test_timing_knows_its_file_and_source():
    bench = Bench()
    bench.add("a")
    while bench.turns.n_waiting:
        bench.turns.step()
    (timing,) = bench.turns.taken()
    assert (timing.sha256, timing.source, timing.p50_ms) == ("a-hash", "onnx:a", 5.0)
