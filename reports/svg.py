"""One chart as SVG text: accuracy against cost, without any dependency.

Colours are CSS variables: a page sets them for its charts, a chart on its own brings them along.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal, TypeAlias

from .axis import LogAxis, percent, plain_number
from .style import style

Look: TypeAlias = Literal["members", "first", "second", "third", "fourth", "baseline", "chosen"]

FRONT_LOOKS: tuple[Look, ...] = ("first", "second", "third", "fourth")

WIDTH, HEIGHT = 860, 470
LEFT, RIGHT, BOTTOM = 66, 20, 50
LEGEND_LEFT, LEGEND_ROW, CHARACTER = 126, 22, 7.2
FRONT_RADIUS, LEADER, NAME_ROW = 2.5, 22, 17
RADIUS: dict[Look, float] = {"members": 4, "baseline": 6, "chosen": 7}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A cascade or a model: its cost, its error (a share), and what a reader who hovers sees."""

    cost: float
    error: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points that belong together.

    Args:
        name: for the legend, and beside the point where `look` is "baseline" or "chosen".
        look: "first" to "fourth" are fronts, drawn as steps; the others are marks alone.
        points: in any order; steps go from the cheapest to the dearest.
    """

    name: str
    look: Look
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Accuracy (upwards, as the logarithm of the error) against cost (to the right, logarithmic).

    Args:
        title: read out in place of the picture.
        quality_label: what 1 - error is.
        cost_label: what the cost is, with its unit.
        series: drawn in this order, the last on top.
        least_error: where an error of 0 is drawn; half a sample of the largest split, say.
    """

    title: str
    quality_label: str
    cost_label: str
    series: tuple[Series, ...]
    least_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plane:
    """Where points lie in the picture."""

    x: LogAxis
    y: LogAxis
    least_error: float

    def place(self, point: Point) -> tuple[float, float]:
        return self.x.place(point.cost), self.y.place(max(point.error, self.least_error))


def draw(chart: Chart, *, alone: bool = False) -> str:
    """The chart as an `<svg>` element; with `alone`, as a file that carries its own style."""
    points = [point for series in chart.series for point in series.points]
    legend = _legend_places(chart.series)
    top = legend[-1][1] + LEGEND_ROW if legend else LEGEND_ROW
    x = LogAxis.around([point.cost for point in points], LEFT, WIDTH - RIGHT)
    errors = [max(point.error, chart.least_error) for point in points]
    y = LogAxis.around(errors, top, HEIGHT - BOTTOM)
    plane = _Plane(x=x, y=y, least_error=chart.least_error)
    parts = [
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{escape(chart.title)}">',
        f"<style>{style('theme', 'chart')}</style>" if alone else "",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="var(--paper)"/>' if alone else "",
        *_frame(chart, x, y),
        *(
            part
            for series, at in zip(chart.series, legend, strict=True)
            for part in _key(series, *at)
        ),
        *(part for series in chart.series for part in _marks(series, plane)),
        *_names(chart, plane),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _frame(chart: Chart, x: LogAxis, y: LogAxis) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for tick in y.ticks():
        at = y.place(tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield _text(LEFT - 8, at + 4, percent(1 - tick), anchor="end")
    for tick in x.ticks():
        at = x.place(tick)
        yield f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{bottom}" y2="{bottom + 5}"/>'
        yield _text(at, bottom + 20, plain_number(tick), anchor="middle")
    yield f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
    yield _text((LEFT + right) / 2, HEIGHT - 10, chart.cost_label, anchor="middle")
    yield _text(10, 22, chart.quality_label, anchor="start")


def _legend_places(series: Sequence[Series]) -> list[tuple[float, float]]:
    """Where each key of the legend stands, in as many rows as it takes."""
    places: list[tuple[float, float]] = []
    x, y = float(LEGEND_LEFT), 22.0
    for one in series:
        width = 47 + CHARACTER * len(one.name)
        if x > LEGEND_LEFT and x + width > WIDTH:
            x, y = float(LEGEND_LEFT), y + LEGEND_ROW
        places.append((x, y))
        x += width
    return places


def _key(series: Series, x: float, y: float) -> Iterator[str]:
    if series.look in FRONT_LOOKS:
        yield f'<line class="line {series.look}" x1="{x}" x2="{x + 18}" y1="{y - 4}" y2="{y - 4}"/>'
    else:
        yield _circle(x + 9, y - 4, series.look, min(RADIUS[series.look], 6))
    yield _text(x + 25, y, series.name, anchor="start")


def _marks(series: Series, plane: _Plane) -> Iterator[str]:
    points = sorted(series.points, key=lambda point: point.cost)
    places = [plane.place(point) for point in points]
    if series.look in FRONT_LOOKS and places:
        steps = [f"M{places[0][0]:.1f} {places[0][1]:.1f}"]
        steps += [f"H{to_x:.1f}V{to_y:.1f}" for to_x, to_y in places[1:]]
        yield f'<path class="line {series.look}" d="{"".join(steps)}"/>'
    for point, (at_x, at_y) in zip(points, places, strict=True):
        yield _circle(at_x, at_y, series.look, RADIUS.get(series.look, FRONT_RADIUS), point.text)


def _names(chart: Chart, plane: _Plane) -> Iterator[str]:
    """The names beside single points: above a chosen cascade, below the best single model.

    From left to right; a name that would cover an earlier one stands a row farther away.
    """
    named = [
        (*plane.place(point), series)
        for series in chart.series
        if series.look in ("baseline", "chosen")
        for point in series.points
    ]
    taken: list[tuple[float, float, float]] = []
    for at_x, at_y, series in sorted(named, key=lambda each: each[0]):
        direction = -1 if series.look == "chosen" else 1
        width = CHARACTER * len(series.name)
        fits_left, fits_right = at_x - width > LEFT, at_x + width < WIDTH - RIGHT
        leftwards = fits_left if direction < 0 else not fits_right
        left = at_x - width if leftwards else at_x
        near, far = at_y + direction * (RADIUS[series.look] + 1), at_y + direction * LEADER
        while _covers((left, left + width, far), taken):
            far += direction * NAME_ROW
        taken.append((left, left + width, far))
        yield (
            f'<line class="leader" x1="{at_x:.1f}" x2="{at_x:.1f}" y1="{near:.1f}" y2="{far:.1f}"/>'
        )
        baseline = far - 4 if direction < 0 else far + 14
        anchor = "end" if leftwards else "start"
        yield _text(at_x, baseline, series.name, anchor=anchor, classes="strong halo")


def _covers(name: tuple[float, float, float], taken: Sequence[tuple[float, float, float]]) -> bool:
    """Whether a name (left, right, height) lies on one of the others."""
    left, right, y = name
    return any(
        left < its_right and its_left < right and abs(y - its_y) < NAME_ROW
        for its_left, its_right, its_y in taken
    )


def _circle(x: float, y: float, look: Look, radius: float, title: str = "") -> str:
    opening = f'<circle class="dot {look}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"'
    return f"{opening}><title>{escape(title)}</title></circle>" if title else f"{opening}/>"


def _text(x: float, y: float, text: str, *, anchor: str, classes: str = "") -> str:
    named = f' class="{classes}"' if classes else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {place}{named}>{escape(text)}</text>"
