"""Axes: places, ticks and numbers for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encas.reports.axis import LogAxis, even_ticks, percent, plain_number

positive = st.floats(1e-6, 1e9)


@given(st.lists(positive, min_size=1, max_size=20))
def test_around_places_every_value_between_the_ends(values):
    axis = LogAxis.around(values, 60, 800)
    assert all(60 <= axis.place(value) <= 800 for value in values)


@given(st.lists(positive, min_size=2, max_size=20, unique=True))
def test_place_keeps_the_order_also_on_an_axis_that_runs_upwards(values):
    axis = LogAxis.around(values, 400, 10)
    places = [axis.place(value) for value in sorted(values)]
    assert places == sorted(places, reverse=True)


def test_place_of_a_geometric_mean_is_the_middle():
    assert LogAxis(low=1, high=100, start=0, end=10).place(10) == pytest.approx(5)


def test_place_of_values_outside_is_the_end_that_they_passed():
    axis = LogAxis(low=1, high=100, start=0, end=10)
    assert (axis.place(0.0), axis.place(1e9)) == (0, 10)


@given(st.lists(positive, min_size=1, max_size=20))
def test_ticks_are_ascending_and_on_the_axis(values):
    axis = LogAxis.around(values, 0, 1)
    ticks = axis.ticks()
    assert list(ticks) == sorted(set(ticks))
    assert 3 <= len(ticks) <= 20
    slack = 1e-9 * axis.high
    assert all(axis.low - slack <= tick <= axis.high + slack for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1, 1e5, (1, 10, 100, 1000, 10_000, 100_000)),
        (90, 2100, (100, 200, 500, 1000, 2000)),
        (90, 1100, (90, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000)),
        (0.11, 0.13, (0.11, 0.115, 0.12, 0.125, 0.13)),
    ],
)
def test_ticks_of_wide_and_narrow_axes_are_round(low, high, expected):
    assert LogAxis(low=low, high=high, start=0, end=1).ticks() == pytest.approx(expected)


def test_even_ticks_are_multiples_of_one_step():
    assert even_ticks(0.111, 0.129) == pytest.approx((0.115, 0.12, 0.125))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (160, "160"), (1472, "1.47 k"), (12.4e6, "12.4 M"), (999.7, "1 k"), (2e9, "2 G"),
        (0.0123, "0.0123"), (0, "0"), (100, "100"),
    ],
)  # fmt: skip
def test_plain_number_has_three_digits_and_a_prefix(value, text):
    assert plain_number(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.9753, "97.53 %"), (1, "100 %"), (0.5, "50 %"), (0, "0 %")]
)
def test_percent_drops_needless_digits(share, text):
    assert percent(share) == text
