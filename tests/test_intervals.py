import pytest

from encas.intervals import paired_interval, wilson_interval


def test_wilson_interval_published_example_agrees():
    # Newcombe, 1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_wilson_interval_ends_are_exact():
    assert wilson_interval(0, 20) == (0.0, pytest.approx(0.1611, abs=5e-5))
    assert wilson_interval(29, 29) == (pytest.approx(0.8830, abs=5e-5), 1.0)


@pytest.mark.parametrize(("n_lost", "n_gained"), [(2, 12), (12, 2), (5, 5), (0, 3), (3, 0), (0, 0)])
def test_paired_interval_ends_where_the_score_is_the_normal_quantile(n_lost, n_gained):
    n, z = 50, 1.959964
    low, high = paired_interval(n_lost, n_gained, n)
    assert low < (n_gained - n_lost) / n < high
    for end, lost, gained in ((low, n_lost, n_gained), (-high, n_gained, n_lost)):
        # The likeliest share of lost samples where the difference is `end` solves a quadratic.
        a, b = 2 * n, -gained - lost + (2 * n - gained + lost) * end
        c = -lost * end * (1 - end)
        share = ((b * b - 4 * a * c) ** 0.5 - b) / (2 * a)
        spread = (n * (2 * share + end * (1 - end))) ** 0.5
        assert (gained - lost - n * end) / spread == pytest.approx(z, abs=1e-5)


def test_paired_interval_turns_round_with_the_two():
    low, high = paired_interval(3, 11, 200)
    assert paired_interval(11, 3, 200) == (-high, -low)


def test_paired_interval_of_all_samples_ends_at_one():
    assert paired_interval(0, 10, 10)[1] == pytest.approx(1.0)
    assert paired_interval(10, 0, 10)[0] == pytest.approx(-1.0)


def test_paired_interval_is_narrower_the_less_the_answers_differ():
    few, many = paired_interval(5, 5, 1000), paired_interval(50, 50, 1000)
    assert few[1] - few[0] < many[1] - many[0]
