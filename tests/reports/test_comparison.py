"""The comparison: counts by the definition, words that follow from the numbers."""

from dataclasses import replace

import pytest

from encas.cascade import Cascade
from encas.errors import PoolError
from encas.reports.comparison import (
    best_single_model,
    comparison_rows,
    contender,
    measured_cascade,
    measured_model,
)

from .conftest import CHOSEN, contender_of, measured


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
            contender_of("single", 480, 1000, measured(1, 0.2), measured(64, 1.0)),
            contender_of("cascade", 490, 250, measured(1, 0.3)),
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


def test_rows_say_where_one_of_several_was_notmeasured():
    rows = comparison_rows(
        [
            contender_of("single", 480, 1000, measured(1, 0.2)),
            contender_of("first", 480, 1000, measured(1, 0.1)),
            contender_of("second", 480, 1000),
        ]
    )
    assert rows[-1][1:] == ("0.2000 ms", "0.1000 ms (0.50 x)", "not measured")
