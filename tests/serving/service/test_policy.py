from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from encas.errors import ServingError
from encas.serving.service.policy import Gear, SloPolicy, SloTarget
from encas.serving.service.request_batch import Load

MAX_BATCH_SIZE = 64
# Seconds of a batch: 0.2 ms and so much per row, which bears 50,000, 12,000 and 2,900 rows/s.
PER_ROW_S = {"cheap": 1.7e-5, "middle": 8e-5, "dear": 34e-5}


def run_s_of(name):
    return lambda rows: 2e-4 + PER_ROW_S[name] * rows


def policy_of(target=None, per_row_s=PER_ROW_S):
    gears = [Gear(name=name, run_s=run_s_of(name)) for name in per_row_s]
    return SloPolicy(gears, target or SloTarget(p99_s=0.1), max_batch_size=MAX_BATCH_SIZE)


@dataclass
class Simulated:
    """What a simulated server did: latencies, gears by batch, and when."""

    latency_s: np.ndarray
    gears: list
    times_s: list

    @property
    def p99_s(self):
        return float(np.percentile(self.latency_s, 99))

    def share(self, gear, *, since_s=0.0):
        chosen = [g for g, t in zip(self.gears, self.times_s, strict=True) if t >= since_s]
        return Counter(chosen)[gear] / len(chosen)


def simulate(policy, rows_per_s, seconds, *, rows=4, slowness=lambda _t, _gear: 1.0, seed=0):
    """One worker, requests of `rows` rows at exponential gaps; `rows_per_s` depends on the time."""
    rng = np.random.default_rng(seed)
    names = list(PER_ROW_S)
    arrivals, now = [], 0.0
    while now < seconds:
        now += rng.exponential(rows / rows_per_s(now))
        arrivals.append(now)
    arrivals = np.array(arrivals)
    latency, gears, times, done, free = [], [], [], 0, 0.0
    while done < len(arrivals):
        start = max(free, arrivals[done])
        waiting = int(np.searchsorted(arrivals, start, side="right")) - done
        taken = min(waiting, MAX_BATCH_SIZE // rows)
        load = Load(
            now_s=start,
            batch_rows=taken * rows,
            n_rows=waiting * rows,
            oldest_wait_s=start - arrivals[done],
        )
        gear = policy.choose(load)
        run_s = run_s_of(names[gear])(taken * rows) * slowness(start, gear)
        policy.note_run(gear, rows=taken * rows, run_s=run_s)
        free = start + run_s
        latency += (free - arrivals[done : done + taken]).tolist()
        gears.append(gear)
        times.append(start)
        done += taken
    return Simulated(np.array(latency), gears, times)


class Stuck:
    """The policy of a server that always runs one gear."""

    def __init__(self, gear):
        self.gear = gear

    def choose(self, _load):
        return self.gear

    def note_run(self, *_arguments, **_values):
        pass


def test_light_load_stays_in_the_dearest_gear():
    found = simulate(policy_of(), lambda _t: 800, 20)
    assert found.share(2) == 1.0
    assert found.p99_s < 0.1


def test_overload_keeps_the_target_where_the_dearest_alone_does_not():
    alone = simulate(Stuck(2), lambda _t: 5_000, 20)
    found = simulate(policy_of(), lambda _t: 5_000, 20)
    assert alone.p99_s > 1.0
    assert found.p99_s <= 0.1
    assert found.share(1) > 0.8


def test_load_beyond_the_middle_gear_goes_to_the_cheapest():
    found = simulate(policy_of(), lambda _t: 25_000, 10)
    assert found.p99_s <= 0.1
    assert found.share(0) > 0.9


def test_burst_goes_down_at_once_and_back_up_when_it_is_over():
    found = simulate(policy_of(), lambda t: 20_000 if 5 < t < 7 else 800, 20)
    assert found.p99_s <= 0.1
    assert found.share(2, since_s=11.0) == 1.0
    during = [g for g, t in zip(found.gears, found.times_s, strict=True) if 5.5 < t < 7]
    assert 2 not in during


def test_load_at_the_border_does_not_make_it_swing():
    """1.05 times of what the busy share of the dearest gear bears, for a minute."""
    found = simulate(policy_of(), lambda _t: 2_450, 60)
    assert found.p99_s <= 0.1
    changes = np.count_nonzero(np.diff(found.gears))
    assert changes <= 2 * 60 / SloTarget(p99_s=0.1).hold_s
    assert changes < len(found.gears) / 20


def test_gear_that_is_slower_than_predicted_is_left():
    slow = simulate(policy_of(), lambda _t: 1_500, 20, slowness=lambda _t, g: 2.5 if g == 2 else 1)
    stuck = simulate(Stuck(2), lambda _t: 1_500, 20, slowness=lambda _t, g: 2.5 if g == 2 else 1)
    assert stuck.p99_s > 1.0
    assert slow.p99_s <= 0.1


def test_gear_that_was_slow_once_is_tried_again():
    """The machine is ten times slower for two seconds."""
    found = simulate(
        policy_of(), lambda _t: 800, 30, slowness=lambda t, _g: 10.0 if 5 < t < 7 else 1.0
    )
    assert found.share(2, since_s=12.0) > 0.95


def test_rate_is_estimated_from_what_waits():
    policy = policy_of()
    simulate(policy, lambda _t: 3_000, 10)
    assert policy.rows_per_s == pytest.approx(3_000, rel=0.3)


def test_step_up_needs_the_hold_time():
    policy = policy_of(SloTarget(p99_s=0.1, hold_s=2.0))
    busy = Load(now_s=0.0, batch_rows=64, n_rows=900, oldest_wait_s=0.04)
    calm = {"batch_rows": 1, "n_rows": 1, "oldest_wait_s": 0.0}
    assert policy.choose(busy) == 0
    chosen = [policy.choose(Load(now_s=3 + t / 10, **calm)) for t in range(60)]
    assert chosen[:20] == [0] * 20
    assert chosen[21:40] == [1] * 19
    assert chosen[-1] == 2


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"p99_s": 0.0}, "the target must be above 0 s, got 0"),
        ({"p99_s": float("nan")}, "the target must be above 0 s, got nan"),
        ({"busy": 1.2}, r"busy must be in \(0, 1\], got 1.2"),
        ({"share": 0.0}, r"share must be in \(0, 1\], got 0"),
        ({"hold_s": -1.0}, "hold must be 0 s or more"),
    ],
)
def test_target_that_means_nothing_is_refused(values, fault):
    with pytest.raises(ServingError, match=fault):
        SloTarget(**{"p99_s": 0.1, **values})


def test_policy_without_gears_is_refused():
    with pytest.raises(ServingError, match="needs gears"):
        SloPolicy([], SloTarget(p99_s=0.1), max_batch_size=4)
