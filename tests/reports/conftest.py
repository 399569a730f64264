"""A report's ingredients, by hand, on the tiny pool."""

import numpy as np
import pytest

from encas.cascade import Cascade
from encas.entries import Latency, MemberEntry
from encas.evaluate.objectives import TopOneError, front_costs
from encas.fronts.contest import Contest, Curve, Duel, Score
from encas.fronts.front import Front
from encas.fronts.scoring import pool_reference, score
from encas.latency import LatencyProfile, Setting, Timing
from encas.manifest import Manifest
from encas.reports.comparison import Contender, MeasuredTime, Split

SETTING = Setting(
    device="cpu",
    device_name="A <fast> processor",
    provider="CPUExecutionProvider",
    n_threads=2,
    versions={"onnxruntime": "1.2.3"},
)
CHOSEN = Cascade(members=("cheap", "dear"), thresholds=(0.5,))


def measured(batch_size: int, ms: float) -> MeasuredTime:
    return MeasuredTime(
        batch_size=batch_size, mean_ms=ms, p50_ms=ms, predicted_ms=None, setting=SETTING
    )


def contender_of(name: str, n_correct: int, macs: float, *times: MeasuredTime) -> Contender:
    right = np.arange(500) < n_correct
    split = Split(name="test", right=right, reach=(1.0,), macs=macs)
    cascade = Cascade(members=("a",), thresholds=())
    return Contender(name=name, cascade=cascade, splits=(split,), latencies=times)


def timing(name: str, batch_size: int, ms: float) -> Timing:
    return Timing.of(name, batch_size, [ms, ms, ms])


@pytest.fixture
def profile() -> LatencyProfile:
    members = {"cheap": 0.1, "middle": 0.2, "dear": 0.4}
    timings = [timing(m, b, ms * b**0.5) for m, ms in members.items() for b in (1, 4)]
    return LatencyProfile(setting=SETTING, timings=tuple(timings), gate_ms=0.01)


@pytest.fixture
def front(tiny_pool) -> Front:
    cascades = [Cascade(members=("cheap",), thresholds=()), CHOSEN]
    costs = front_costs(("error", "macs"), tiny_pool)
    return Front(
        pool=pool_reference(tiny_pool),
        objectives=("error", "macs"),
        cascades=score(cascades, tiny_pool, TopOneError(), costs),
        search={"algorithm": "mo-gomea", "seed": 1, "wall_s": 0.5, "versions": {"numpy": "2"}},
    )


@pytest.fixture
def latency_front(tiny_pool, profile) -> Front:
    costs = front_costs(("error", "latency"), tiny_pool, profile=profile, batch_size=4)
    return Front(
        pool=pool_reference(tiny_pool),
        objectives=("error", "latency"),
        cascades=score([CHOSEN], tiny_pool, TopOneError(), costs),
        batch_size=4,
    )


@pytest.fixture
def manifest() -> Manifest:
    def measured(batch_size: int, mean_ms: float) -> Latency:
        return Latency(
            setting=SETTING,
            timing=timing("bundle", batch_size, mean_ms * 0.9),
            mean_ms=mean_ms,
            predicted_ms=mean_ms * 1.1,
            reach=(1.0, 0.5),
            data="digits:test",
        )

    entries = [
        MemberEntry(name=name, file=f"members/{name}.onnx", sha256="0" * 64, bytes=1)
        for name in CHOSEN.members
    ]
    return Manifest(
        name="c7",
        cascade=CHOSEN,
        members=tuple(entries),
        input_shape=(1, 8, 8),
        n_classes=3,
        latencies=(measured(1, 9.0), measured(1, 0.8), measured(4, 0.2)),
    )


def _curve(*values: float) -> Curve:
    median = np.array(values)
    x = 10.0 ** np.arange(len(values))
    return Curve(x=x, median=median, worst=median - 0.1, best=median + 0.1)


def _scores(*volumes: float, tested: float | None) -> tuple[Score, ...]:
    return tuple(
        Score(
            seed=seed,
            hypervolume=volume,
            tested=tested,
            igd_plus=None,
            n_cascades=3,
            evaluations=1000,
            seconds=2.5,
        )
        for seed, volume in enumerate(volumes)
    )


@pytest.fixture
def contest() -> Contest:
    """Two algorithms of three runs and one, the second the better, by hand."""
    curves = {"random": _curve(0.2, 0.5), "sweep": _curve(0.4, 0.75)}
    duel = Duel(
        first="sweep",
        second="random",
        n_pairs=3,
        median_difference=0.25,
        p_two_sided=0.25,
        p_greater=0.125,
    )
    return Contest(
        pool="a <search> pool",
        test="held out",
        reference=(1.0, 4e7),
        exact=0.8,
        scores={
            "random": _scores(0.4, 0.5, 0.6, tested=0.45),
            "sweep": _scores(0.75, tested=None),
        },
        curves={"evaluations": curves, "seconds": curves},
        duels=(duel,),
        tested_duels=(),
    )
