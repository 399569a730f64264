"""The bars of a build: what they count and what they say."""

from dataclasses import replace

import pytest

from encas.commands.build_progress import Bars
from encas.pools.building.build_job import BuildAnswer
from encas.pools.models.model_requests import ModelRefusal

ANSWER = BuildAnswer(name="a", seconds=2.0)


@pytest.fixture
def bars(capsys):
    with Bars() as bars:
        yield bars


def shown(bars):
    """What each bar says: its text, how much of how much is done."""
    return [(task.description, task.completed, task.total) for task in bars._bars.tasks]


def test_bar_of_all_counts_samples_and_names_models(bars):
    bars.begins(3, 0, 10)
    assert shown(bars) == [("0 of 3 models", 0, 30)]
    bars.starts("a")
    bars.runs("a", 4)
    assert shown(bars) == [("0 of 3 models", 4, 30), ("a", 4, 10)]
    bars.runs("a", -4)
    bars.runs("a", 10)
    bars.stores(ANSWER, 0.5)
    assert shown(bars) == [("1 of 3 models", 10, 30)]


def test_model_that_fails_halfway_or_tells_nothing_counts_as_a_whole(bars, capsys):
    bars.begins(2, 0, 10)
    bars.starts("a")
    bars.starts("b")
    bars.runs("a", 4)
    bars.refuses(ModelRefusal(name="a", reason="broken\nin many lines"))
    bars.stores(replace(ANSWER, name="b"), 0.25)
    assert shown(bars) == [("2 of 2 models", 20, 20)]
    err = capsys.readouterr().err
    assert "failed a: broken\n" in err
    assert "b: accuracy 0.2500, 5 images/s" in err


def test_models_that_never_ran_are_not_counted(bars, capsys):
    bars.refuses(ModelRefusal(name="gone", reason="no such file"))
    bars.begins(1, 2, 10)
    assert shown(bars) == [("0 of 1 models", 0, 10)]
    assert "2 of 3 models are there already" in capsys.readouterr().err


def test_bars_of_filters_and_decoding_come_and_go(bars):
    bars.considers("resnet18")
    assert shown(bars) == [("does resnet18 pass the filters?", 1, None)]
    bars.begins(1, 0, 4)
    bars.decodes(3)
    assert shown(bars)[1:] == [("decoding images", 3, 4)]
    bars.decodes(1)
    assert shown(bars) == [("0 of 1 models", 0, 4)]
