"""What is drawn: the lines' and the dots' points, the axes and the legend."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot
from small_fronts import legend, scored_front

from encas.errors import FrontError
from encas.fronts.front import Front
from encas.fronts.front_drawing import draw_fronts


@pytest.fixture
def front(tiny_pool) -> Front:
    return scored_front(tiny_pool)


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_plot_draws_accuracy_over_cost_with_units(front):
    axes = front.plot()
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), front.points[:, 1])
    np.testing.assert_array_equal(line.get_ydata(), 1 - front.points[:, 0])
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    assert axes.get_xlabel() == "expected MACs per sample"
    assert axes.get_ylabel() == "accuracy"
    assert legend(axes) == ["front on tiny"]


def test_a_cost_of_nothing_makes_the_axis_linear(front):
    free = replace(front.cascades[0], cost=0.0)
    assert front.with_cascades([free, front.cascades[1]]).plot().get_xscale() == "linear"


def test_draw_of_models_that_cost_nothing_makes_the_axis_linear(front):
    for cost, scale in ((1.0, "log"), (0.0, "linear")):
        singles = np.array([[0.5, cost], [0.2, 3e6]])
        assert draw_fronts([front], singles=singles).get_xscale() == scale


def test_draw_of_models_is_dots_under_their_name(front):
    singles = np.array([[0.5, 1e6], [0.125, 3e6]])
    axes = draw_fronts([front], singles=singles, singles_name="nets")
    dots, line = axes.lines
    assert (dots.get_linestyle(), dots.get_marker()) == ("None", "o")
    assert (dots.get_xdata().tolist(), dots.get_ydata().tolist()) == ([1e6, 3e6], [0.5, 0.875])
    assert legend(axes) == ["nets", "front on tiny"]
    assert line.get_drawstyle() == "steps-post"


def test_draw_puts_the_steps_in_the_order_of_the_costs(front):
    # Scored on another pool, a front keeps its order.
    backwards = front.with_cascades(front.cascades[::-1])
    (line,) = draw_fronts([backwards]).lines
    np.testing.assert_array_equal(line.get_xdata(), np.sort(front.points[:, 1]))


def test_draw_of_a_front_without_cascades_is_refused(front):
    empty = replace(front, cascades=(), pool=replace(front.pool, name="other"))
    with pytest.raises(FrontError, match="the front on other has no cascades to plot"):
        draw_fronts([front, empty])
