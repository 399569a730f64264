"""What is drawn of fronts: the lines' points, the axes and their labels; no display is needed."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot
from small_fronts import legend, scored_front

from encas.errors import FrontError, ProfileError
from encas.fronts.front import Front
from encas.fronts.front_plot import plot_front
from encas.fronts.scoring import evaluate_front
from encas.latency import LatencyProfile, Setting, Timing


@pytest.fixture
def front(tiny_pool) -> Front:
    return scored_front(tiny_pool)


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_plot_draws_on_the_axes_that_are_given(front):
    axes = pyplot.figure().add_subplot()
    assert front.plot(ax=axes) is axes
    assert plot_front(front, ax=axes) is axes
    assert len(axes.lines) == 2


def test_plot_front_draws_models_as_dots_and_a_line_for_each_front(front, tiny_pool, tmp_path):
    tiny_pool.save(tmp_path / "pool")
    front.save(tmp_path / "front.json")
    held_out = evaluate_front(front, tiny_pool.take([0, 1, 4, 5], name="held out"))
    axes = plot_front(tmp_path / "front.json", held_out, pool=str(tmp_path / "pool"))
    dots, *lines = axes.lines
    assert dots.get_linestyle() == "None"
    np.testing.assert_array_equal(dots.get_xdata(), tiny_pool.costs("macs"))
    right = [np.mean(tiny_pool.probabilities(i).argmax(1) == tiny_pool.label) for i in range(3)]
    np.testing.assert_allclose(dots.get_ydata(), right)
    assert len(lines) == 2
    assert legend(axes) == ["single models on tiny", "front on tiny", "front on held out"]


def test_fronts_on_one_pool_are_told_apart_by_how_they_were_found(front):
    other = replace(front, search={"algorithm": "sweep", "seed": 4})
    expected = ["front on tiny, by hand, seed 3", "front on tiny, sweep, seed 4"]
    assert legend(plot_front(front, other)) == expected


def test_plot_of_a_latency_front_names_the_batch_and_needs_times_for_models(front, tiny_pool):
    setting = Setting(device="cpu", device_name="x", provider="p", n_threads=1, versions={})
    timings = [
        Timing.of(name, 4, [ms]) for name, ms in zip(tiny_pool.names, (1, 2, 5), strict=True)
    ]
    profile = LatencyProfile(setting=setting, timings=tuple(timings), gate_ms=0.0)
    latency = replace(front, objectives=("error", "latency"), batch_size=4)
    axes = plot_front(latency, pool=tiny_pool, profile=profile)
    assert axes.get_xlabel() == "predicted ms per batch of 4"
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [1, 2, 5])
    with pytest.raises(ProfileError, match="needs measured times"):
        plot_front(latency, pool=tiny_pool)


def test_fronts_that_make_no_picture_are_refused(front):
    with pytest.raises(FrontError, match="give at least one front"):
        plot_front()
    with pytest.raises(FrontError, match="must have the same cost and metric, got .*params"):
        plot_front(front, replace(front, objectives=("error", "params")))
    for plot in (front.with_cascades([]).plot, lambda: plot_front(front.with_cascades([]))):
        with pytest.raises(FrontError, match="the front on tiny has no cascades to plot"):
            plot()


def test_plot_works_without_a_display(front, tmp_path):
    front.save(tmp_path / "front.json")
    code = f"""
import encas
axes = encas.Front.load({str(tmp_path / "front.json")!r}).plot()
axes.figure.savefig({str(tmp_path / "front.png")!r})
"""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
