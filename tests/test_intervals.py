import pytest

from encas.intervals import wilson_interval


def test_wilson_interval_published_example_agrees():
    # Newcombe, 1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_wilson_interval_ends_are_exact():
    assert wilson_interval(0, 20) == (0.0, pytest.approx(0.1611, abs=5e-5))
    assert wilson_interval(29, 29) == (pytest.approx(0.8830, abs=5e-5), 1.0)
