import numpy as np
import pytest

from encas.evaluate.objectives import LatencyCost, LinearCost
from encas.evaluate.sweep_prices import prices_of, weightings
from encas.evaluate.sweep_space import Prices
from encas.latency import LatencyProfile, Setting, Timing

MACS = LinearCost(name="macs", costs=np.array([3.0, 7.0, 0.1]))
PARAMS = LinearCost(name="params", costs=np.array([10.0, 20.0, 30.0]))
N_SAMPLES = 7


@pytest.fixture
def latency() -> LatencyCost:
    setting = Setting(device="cpu", device_name="x", provider="p", n_threads=1, versions={})
    timings = [
        Timing.of(name, size, [ms * size**0.5])
        for name, ms in (("a", 1.0), ("b", 2.0), ("c", 5.0))
        for size in (1, 4)
    ]
    profile = LatencyProfile(setting=setting, timings=tuple(timings), gate_ms=0.25)
    return LatencyCost(profile=profile, members=("a", "b", "c"), batch_size=4)


def price(prices: Prices, model: int, reached: int, *, is_last: bool) -> float:
    """As sweep_tables.py reads them."""
    row = prices.row[int(is_last), model]
    return float(prices.table[row, reached] * prices.factor[model])


def stage_value(cost, model: int, reached: int, *, is_last: bool) -> float:
    values = cost.stage_values(
        np.array([model]), np.array([reached]), n_samples=N_SAMPLES, is_last=is_last
    )
    return float(values[0])


def each_stage():
    for model in range(3):
        for reached in range(N_SAMPLES + 1):
            for is_last in (False, True):
                yield model, reached, is_last


def test_prices_of_one_linear_cost_are_that_cost_bit_by_bit():
    prices = prices_of([MACS], n_models=3, n_samples=N_SAMPLES)
    assert prices.is_monotone
    for model, reached, is_last in each_stage():
        found = price(prices, model, reached, is_last=is_last)
        assert found == stage_value(MACS, model, reached, is_last=is_last)
        assert found == reached / N_SAMPLES * MACS.costs[model]


def test_prices_of_two_linear_costs_are_their_weighted_sum():
    prices = prices_of([MACS, PARAMS], (2.0, 0.5), n_models=3, n_samples=N_SAMPLES)
    assert prices.factor.tolist() == [2 * 3 + 5, 2 * 7 + 10, 2 * 0.1 + 15]
    assert price(prices, 1, 7, is_last=True) == 24


def test_prices_of_a_latency_tell_last_stages_from_others(latency):
    prices = prices_of([latency], n_models=3, n_samples=N_SAMPLES)
    for model, reached, is_last in each_stage():
        expected = stage_value(latency, model, reached, is_last=is_last)
        assert price(prices, model, reached, is_last=is_last) == expected
    assert price(prices, 0, 3, is_last=True) != price(prices, 0, 3, is_last=False)


def test_prices_of_a_latency_and_a_linear_cost_are_their_weighted_sum(latency):
    prices = prices_of([latency, MACS], (1.0, 0.25), n_models=3, n_samples=N_SAMPLES)
    for model, reached, is_last in each_stage():
        expected = stage_value(latency, model, reached, is_last=is_last)
        expected += 0.25 * stage_value(MACS, model, reached, is_last=is_last)
        assert price(prices, model, reached, is_last=is_last) == pytest.approx(expected)


@pytest.mark.parametrize(("ms", "is_monotone"), [((1.0, 1.5), True), ((1.0, 0.5), False)])
def test_prices_know_whether_a_cost_falls_with_more_samples(ms, is_monotone):
    setting = Setting(device="cpu", device_name="x", provider="p", n_threads=1, versions={})
    timings = tuple(Timing.of("a", b, [t]) for b, t in zip((1, 4), ms, strict=True))
    profile = LatencyProfile(setting=setting, timings=timings, gate_ms=0.0)
    cost = LatencyCost(profile=profile, members=("a",), batch_size=4)
    assert prices_of([cost], n_models=1, n_samples=8).is_monotone is is_monotone


def test_weightings_of_one_cost_are_that_one():
    assert weightings(np.array([[4.0], [2.0]])) == [(1.0,)]


def test_weightings_of_two_costs_are_each_and_both_in_balance():
    found = weightings(np.array([[4.0, 10.0], [2.0, 20.0]]))
    assert found == [(0.25, 0.0), (0.0, 0.05), (0.25, 0.05)]


def test_weightings_of_many_costs_are_each_each_pair_and_all():
    found = weightings(np.ones((1, 4)))
    sizes = [sum(weight > 0 for weight in weights) for weights in found]
    assert sizes == [1] * 4 + [2] * 6 + [4]
    assert len(set(found)) == 11


def test_weightings_of_a_cost_that_is_nothing_are_numbers():
    assert weightings(np.array([[0.0, 5.0]])) == [(1.0, 0.0), (0.0, 0.2), (1.0, 0.2)]
