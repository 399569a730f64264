"""Words that follow from the numbers."""

from dataclasses import replace

import numpy as np
import pytest

from encas.reports.comparison_verdict import verdict

from .conftest import contender_of, measured


def test_verdict_of_a_slower_cascade_says_so_plainly():
    single = contender_of("best single model", 480, 1000, measured(1, 0.2), measured(64, 1.0))
    other = contender_of("cascade", 481, 250, measured(1, 0.3), measured(64, 0.5))
    assert verdict(single, other) == (
        "The cascade answers 481 of 500 samples of test rightly, the best single model 480 (paired "
        "95 % interval of the difference: -0.56 .. +1.12 points). It spends 4.00 times fewer MACs. "
        "In measured time it is slower (1.50 times the time) at batch size 1 and 2.00 times as "
        "fast at batch size 64. Fewer MACs are not always less time. In short: as accurate, as far "
        "as 500 samples tell, and not faster at every batch size."
    )


def test_verdict_of_a_faster_and_clearly_better_cascade_has_no_reservations():
    single = contender_of("best single model", 400, 1000, measured(8, 0.3))
    text = verdict(single, contender_of("cascade", 490, 2000, measured(8, 0.2)))
    assert "It spends 2.00 times as many MACs. In measured time it is 1.50 times as fast" in text
    assert text.endswith("In short: more accurate and at least 1.5 times as fast.")


@pytest.mark.parametrize(
    ("n_correct", "expected"),
    [
        (400, "as accurate, as far as 500 samples tell,"),
        (398, "as accurate, as far as 500 samples tell,"),
        (350, "less accurate"),
        (450, "more accurate"),
    ],
)
def test_verdict_in_short_tells_accuracies_apart_only_outside_the_paired_interval(
    n_correct, expected
):
    single = contender_of("single", 400, 1000, measured(1, 1.0))
    text = verdict(single, contender_of("cascade", n_correct, 500, measured(1, 0.25)))
    assert text.endswith(f"In short: {expected} and at least 4.0 times as fast.")


@pytest.mark.parametrize(
    ("first_ms", "second_ms", "expected"),
    [
        (0.5, 0.25, "at least 2.0 times as fast"),
        (0.5, 0.86, "at least 1.1 times as fast"),
        (0.5, 1.0, "as fast or faster"),
        (0.95, 1.05, "as fast"),
        (1.0, 1.5, "not faster at every batch size"),
        (0.2, 1.5, "not faster at every batch size"),
        (1.2, 3.0, "slower"),
    ],
)
def test_verdict_in_short_of_times_holds_at_every_batch_size(first_ms, second_ms, expected):
    single = contender_of("single", 400, 1000, measured(1, 1.0), measured(8, 1.0))
    other = contender_of("cascade", 400, 500, measured(1, first_ms), measured(8, second_ms))
    assert verdict(single, other).endswith(f"as far as 500 samples tell, and {expected}.")


def test_verdict_looks_at_the_same_samples_and_not_at_sums():
    single = contender_of("single", 400, 1000)
    split = replace(single.splits[0], right=np.roll(single.splits[0].right, 50))
    other = replace(single, name="cascade", splits=(split,))
    assert "the single 400 (paired 95 % interval of the difference: -3.9" in verdict(single, other)
    assert "-0.76 .. +0.76 points" in verdict(single, contender_of("cascade", 400, 1000))


def test_verdict_of_equal_macs_calls_them_as_many():
    single = contender_of("single", 400, 1000)
    assert "It spends as many MACs." in verdict(single, contender_of("cascade", 400, 1001))


def test_verdict_without_times_says_nothing_of_them():
    text = verdict(contender_of("single", 400, 1000), contender_of("cascade", 400, 500))
    assert "time" not in text.replace("times fewer", "")
    assert "In short" not in text


def test_verdict_of_a_busy_machine_says_whose_times_they_are():
    single = contender_of("single", 400, 1000, measured(1, 1.0))
    busy = replace(measured(1, 0.5), is_disturbed=True)
    text = verdict(single, contender_of("cascade", 400, 500, busy))
    assert "The machine was busy: some of these are times of the processor." in text


def test_verdict_calls_a_difference_within_the_clocks_tolerance_no_difference():
    single = contender_of("single", 400, 1000, measured(1, 1.0))
    text = verdict(single, contender_of("cascade", 400, 500, measured(1, 1.05)))
    assert "In measured time it is as fast (1.05 times the time) at batch size 1." in text
