import math

import pytest

from encas.errors import SearchError
from encas.jobs.tuning.tune_settings import TuneSettings


def test_smallest_settings_are_ones():
    settings = TuneSettings(batch_size=1, n_measured=1, n_exported=1, rounds=1, tolerance=1e-9)
    assert (settings.rounds, settings.every_model) == (1, False)


@pytest.mark.parametrize(
    "values",
    [
        {"batch_size": 0},
        {"n_measured": 0},
        {"n_exported": 0},
        {"rounds": 0},
        {"tolerance": 0.0},
        {"tolerance": math.nan},
    ],
)
def test_numbers_below_one_and_no_tolerance_are_refused(values):
    with pytest.raises(SearchError, match="must be at least 1, and the tolerance positive"):
        TuneSettings(**{"batch_size": 1} | values)
