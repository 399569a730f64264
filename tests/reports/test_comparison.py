"""The comparison: counts by the definition, words that follow from the numbers."""

from dataclasses import replace

import pytest

from encas.cascade import Cascade
from encas.errors import PoolError
from encas.reports.comparison import (
    Contender,
    MeasuredTime,
    Split,
    best_single_model,
    comparison_rows,
    contender,
    measured_cascade,
    measured_model,
    verdict,
)

from .conftest import CHOSEN, SETTING


def _measured(batch_size: int, ms: float) -> MeasuredTime:
    return MeasuredTime(
        batch_size=batch_size, mean_ms=ms, p50_ms=ms, predicted_ms=None, setting=SETTING
    )


def _contender(name: str, n_correct: int, macs: float, *times: MeasuredTime) -> Contender:
    split = Split(name="test", n_correct=n_correct, n_samples=500, reach=(1.0,), macs=macs)
    cascade = Cascade(members=("a",), thresholds=())
    return Contender(name=name, cascade=cascade, splits=(split,), latencies=times)


def test_contender_counts_what_the_definition_says(tiny_pool):
    one = contender("chosen", CHOSEN, [tiny_pool])
    (split,) = one.splits
    assert (split.n_correct, split.n_samples) == (7, 8)
    assert split.reach == (1.0, 0.5)
    assert split.exit_shares == (0.5, 0.5)
    assert split.macs == 1e6 + 0.5 * 2e7
    assert split.interval[0] < split.accuracy < split.interval[1]


def test_contender_of_foreign_members_is_refused(tiny_pool):
    foreign = Cascade(members=("nobody",), thresholds=())
    with pytest.raises(PoolError, match="no model 'nobody'"):
        contender("foreign", foreign, [tiny_pool])


def test_best_single_model_of_equals_is_the_cheapest(tiny_pool):
    assert best_single_model(tiny_pool).members == ("dear",)
    twins = replace(
        tiny_pool,
        outputs=(tiny_pool.outputs[2], tiny_pool.outputs[2], tiny_pool.outputs[2]),
    )
    assert best_single_model(twins).members == ("cheap",)


def test_measured_cascade_takes_the_latest_of_a_batch_size(manifest):
    measured = measured_cascade(manifest.latencies)
    assert [(one.batch_size, one.mean_ms) for one in measured] == [(1, 0.8), (4, 0.2)]


def test_measured_model_has_the_profiled_times(profile):
    measured = measured_model(profile, "dear")
    assert [(one.batch_size, one.mean_ms) for one in measured] == [(1, 0.4), (4, 0.8)]
    assert measured_model(profile, "unknown") == ()


def test_measured_times_that_were_disturbed_say_so(profile):
    busy = [replace(timing, clock="processor") for timing in profile.timings]
    measured = measured_model(replace(profile, timings=tuple(busy)), "dear")
    assert [str(one) for one in measured] == [
        "0.4000 ms of processor time", "0.8000 ms of processor time"
    ]  # fmt: skip
    assert str(measured_model(profile, "dear")[0]) == "0.4000 ms"


def test_measured_model_goes_through_the_executor_as_cascades_do(profile):
    measured = measured_model(replace(profile, call_ms=0.1, gate_ms=7.0), "dear")
    assert [one.mean_ms for one in measured] == pytest.approx([0.5, 0.9])


def test_rows_show_intervals_ratios_and_gaps():
    rows = comparison_rows(
        [
            _contender("single", 480, 1000, _measured(1, 0.2), _measured(64, 1.0)),
            _contender("cascade", 490, 250, _measured(1, 0.3)),
        ]
    )
    assert rows[0] == (
        "accuracy on test, n = 500 (95 % interval)",
        "96.00 % (93.90 .. 97.40)",
        "98.00 % (96.36 .. 98.91)",
    )
    assert rows[1] == ("MACs per sample on test", "1 k", "250 (0.25 x)")
    assert rows[2][1:] == ("0.2000 ms", "0.3000 ms (1.50 x)")
    assert len(rows) == 3


def test_rows_say_where_one_of_several_was_not_measured():
    rows = comparison_rows(
        [
            _contender("single", 480, 1000, _measured(1, 0.2)),
            _contender("first", 480, 1000, _measured(1, 0.1)),
            _contender("second", 480, 1000),
        ]
    )
    assert rows[-1][1:] == ("0.2000 ms", "0.1000 ms (0.50 x)", "not measured")


def test_verdict_of_a_slower_cascade_says_so_plainly():
    single = _contender("best single model", 480, 1000, _measured(1, 0.2), _measured(64, 1.0))
    other = _contender("cascade", 481, 250, _measured(1, 0.3), _measured(64, 0.5))
    assert verdict(single, other) == (
        "The cascade answers 481 of 500 samples of test rightly, the best single model 480, a "
        "difference that so few samples cannot tell from none. It spends 4.00 times fewer MACs. In "
        "measured time it is slower at batch size 1 (1.50 times the time) and faster at batch size "
        "64 (0.50 times the time). On networks this small, fewer MACs are not always less time."
    )


def test_verdict_of_a_faster_and_clearly_better_cascade_has_no_reservations():
    single = _contender("best single model", 400, 1000, _measured(8, 0.3))
    text = verdict(single, _contender("cascade", 490, 2000, _measured(8, 0.2)))
    assert text == (
        "The cascade answers 490 of 500 samples of test rightly, the best single model 400. It "
        "spends 2.00 times more MACs. In measured time it is faster at batch size 8 (0.67 times "
        "the time)."
    )


def test_verdict_of_equal_accuracy_says_just_as_many():
    single = _contender("single", 400, 1000)
    assert "the single 400, just as many." in verdict(single, _contender("cascade", 400, 1000))


def test_verdict_calls_a_difference_within_the_clocks_tolerance_no_difference():
    single = _contender("single", 400, 1000, _measured(1, 1.0))
    text = verdict(single, _contender("cascade", 400, 500, _measured(1, 1.05)))
    assert text.endswith("In measured time it is as fast at batch size 1 (1.05 times the time).")
