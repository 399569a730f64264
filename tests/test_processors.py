import os

import pytest

from encas.processors import usable_processors


def test_usable_processors_are_those_of_the_affinity(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {1, 5, 9}, raising=False)
    assert usable_processors() == 3


@pytest.mark.parametrize(("count", "usable"), [(6, 6), (None, 1)])
def test_usable_processors_without_affinities_are_all_there_are(monkeypatch, count, usable):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert usable_processors() == usable
