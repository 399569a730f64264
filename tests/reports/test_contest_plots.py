"""Pictures of a comparison: the lines and the dots in them, and that they are PNG."""

from dataclasses import replace

import numpy as np
import pytest

from encas.fronts.contest import Contest
from encas.reports import contest_plots
from encas.reports.contest_plots import COLOURS, plots_of


@pytest.fixture
def figures(contest, monkeypatch) -> dict[str, object]:
    """The figures themselves in the place of their files."""
    return drawn(contest, monkeypatch)


def drawn(contest: Contest, monkeypatch) -> dict:
    monkeypatch.setattr(contest_plots, "_png", lambda figure: figure)
    return plots_of(contest)


def test_plots_are_png_files_and_the_same_each_time(contest, monkeypatch):
    monkeypatch.setattr(contest_plots, "DPI", 30)
    first = plots_of(contest)
    assert list(first) == [
        "hypervolume-over-evaluations.png",
        "hypervolume-over-time.png",
        "hypervolume-by-algorithm.png",
    ]
    assert all(png.startswith(b"\x89PNG\r\n\x1a\n") for png in first.values())
    assert plots_of(contest) == first


@pytest.mark.parametrize(
    ("name", "label"), [("evaluations", "evaluations"), ("time", "wall time in seconds")]
)
def test_curves_are_a_median_and_a_band_for_each_algorithm(figures, contest, name, label):
    (axes,) = figures[f"hypervolume-over-{name}.png"].axes
    assert (axes.get_xlabel(), axes.get_xscale()) == (label, "log")
    assert axes.get_ylabel() == "hypervolume on a <search> pool"
    random, sweep, exact = axes.lines
    assert [line.get_label() for line in axes.lines] == ["random", "sweep", "exact front"]
    assert random.get_xdata().tolist() == [1, 10]
    assert sweep.get_ydata().tolist() == [0.4, 0.75]
    assert exact.get_ydata() == [0.8, 0.8]
    assert [line.get_color() for line in (random, sweep)] == list(COLOURS[:2])
    assert len(axes.collections) == 2
    assert axes.get_ylim()[0] == pytest.approx(0.9 * 0.4)


def test_finals_are_a_dot_for_each_run_and_a_hollow_one_on_the_test_split(figures):
    (axes,) = figures["hypervolume-by-algorithm.png"].axes
    found, tested, best, none, exact = axes.lines
    assert found.get_xdata().tolist() == [0.4, 0.5, 0.6]
    assert tested.get_xdata().tolist() == [0.45] * 3
    assert best.get_xdata().tolist() == [0.75]
    assert len(none.get_xdata()) == 0
    assert exact.get_xdata() == [0.8, 0.8]
    assert (found.get_fillstyle(), tested.get_fillstyle()) == ("full", "none")
    np.testing.assert_allclose(found.get_ydata(), -0.12)
    np.testing.assert_allclose(tested.get_ydata(), 0.12)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["random", "sweep"]
    assert axes.get_title(loc="left") == "filled: a <search> pool; hollow: held out"


def test_plots_without_an_exact_front_and_a_test_split_leave_them_out(contest, monkeypatch):
    plots = drawn(replace(contest, exact=None, test=None), monkeypatch)
    (axes,) = plots["hypervolume-over-time.png"].axes
    assert [line.get_label() for line in axes.lines] == ["random", "sweep"]
    (axes,) = plots["hypervolume-by-algorithm.png"].axes
    assert axes.get_title(loc="left") == "filled: a <search> pool"


def test_plots_of_more_algorithms_than_colours_begin_anew(contest, monkeypatch):
    names = [f"a{i}" for i in range(len(COLOURS) + 1)]
    scores, curve = contest.scores["sweep"], contest.curves["seconds"]["sweep"]
    curves = {axis: dict.fromkeys(names, curve) for axis in contest.curves}
    many = replace(contest, scores=dict.fromkeys(names, scores), curves=curves, exact=None)
    (axes,) = drawn(many, monkeypatch)["hypervolume-over-time.png"].axes
    assert [line.get_color() for line in axes.lines] == [*COLOURS, COLOURS[0]]
