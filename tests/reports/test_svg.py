"""One chart: well-formed, escaped, and every point where it belongs."""

import itertools
from xml.etree import ElementTree

import pytest

from encas.reports.svg import HEIGHT, WIDTH, Chart, Point, Series, draw

SVG = "{http://www.w3.org/2000/svg}"


def _point(cost: float, error: float, text: str = "a point") -> Point:
    return Point(cost=cost, error=error, text=text)


def _chart(*series: Series, least_error: float = 0.001) -> Chart:
    return Chart(
        title="Accuracy against MACs",
        quality_label="accuracy",
        cost_label="MACs",
        series=series,
        least_error=least_error,
    )


def _circles(svg: str, look: str) -> list[tuple[float, float]]:
    found = ElementTree.fromstring(svg).iter(f"{SVG}circle")
    return [
        (float(circle.get("cx", "nan")), float(circle.get("cy", "nan")))
        for circle in found
        if look in (circle.get("class") or "").split() and circle.find(f"{SVG}title") is not None
    ]


FRONT = Series(name="front", look="first", points=(_point(1e6, 0.2), _point(1e7, 0.02)))


@pytest.mark.parametrize("alone", [False, True])
def test_draw_is_well_formed_xml_without_links(alone):
    svg = draw(_chart(FRONT), alone=alone)
    root = ElementTree.fromstring(svg)
    assert root.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
    assert ("<style>" in svg) is alone
    assert "href" not in svg
    assert "url(" not in svg


def test_draw_places_cheaper_to_the_left_and_more_accurate_higher_up():
    (cheap_x, cheap_y), (dear_x, dear_y) = _circles(draw(_chart(FRONT)), "first")
    assert cheap_x < dear_x
    assert dear_y < cheap_y


def test_draw_keeps_every_point_inside_the_picture():
    points = tuple(_point(10.0**i, 1 / 2**i) for i in range(12))
    for x, y in _circles(draw(_chart(Series(name="m", look="members", points=points))), "members"):
        assert 0 < x < WIDTH
        assert 0 < y < HEIGHT


def test_draw_of_a_perfect_cascade_is_at_the_least_error():
    series = Series(name="f", look="first", points=(_point(1, 0.0), _point(2, 0.001)))
    (_, perfect), (_, least) = _circles(draw(_chart(series)), "first")
    assert perfect == least


def test_draw_makes_steps_from_the_cheapest_to_the_dearest():
    backwards = Series(name="f", look="second", points=FRONT.points[::-1])
    assert draw(_chart(backwards)).count("M") == draw(_chart(FRONT)).count("M")
    forwards = draw(_chart(FRONT)).replace("first", "second")
    assert draw(_chart(backwards)).replace(">f<", ">front<") == forwards


def test_draw_of_one_point_works():
    chart = _chart(Series(name="best", look="baseline", points=(_point(5, 0.5),)))
    assert len(_circles(draw(chart), "baseline")) == 1


@pytest.mark.parametrize("look", ["baseline", "chosen"])
@pytest.mark.parametrize("cost", [1.0, 50.0, 1e4])
def test_draw_names_single_points_inside_the_picture(look, cost):
    wide = Series(name="all", look="members", points=(_point(1, 0.3), _point(1e4, 0.1)))
    named = Series(name="a rather long name", look=look, points=(_point(cost, 0.2),))
    root = ElementTree.fromstring(draw(_chart(wide, named)))
    (text,) = [t for t in root.iter(f"{SVG}text") if "strong" in (t.get("class") or "")]
    width = 7.2 * len(named.name)
    start = float(text.get("x", "nan")) - (width if text.get("text-anchor") == "end" else 0)
    assert start >= 0
    assert start + width <= WIDTH


def test_draw_breaks_a_long_legend_into_rows():
    series = [
        Series(name=f"front on a pool with a long name {i}", look=look, points=(_point(1, 0.1),))
        for i, look in enumerate(("first", "second", "third", "fourth"))
    ]
    root = ElementTree.fromstring(draw(_chart(*series)))
    rows = {t.get("y") for t in root.iter(f"{SVG}text") if "long name" in (t.text or "")}
    assert len(rows) > 1


def test_draw_escapes_what_comes_from_files():
    bad = '<script>alert("1")</script>&'
    series = Series(name=bad, look="chosen", points=(_point(1, 0.1, bad),))
    svg = draw(
        Chart(title=bad, quality_label=bad, cost_label=bad, series=(series,), least_error=0.1)
    )
    assert "<script" not in svg
    titles = [title.text for title in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert titles == [bad]


def test_draw_keeps_names_of_neighbours_apart():
    marks = [
        Series(name=f"cascade by {cost}", look="chosen", points=(_point(place, 0.02),))
        for cost, place in (("MACs", 5.1e6), ("latency", 5e6), ("energy", 5.2e6))
    ]
    root = ElementTree.fromstring(draw(_chart(FRONT, *marks)))
    names = [text for text in root.iter(f"{SVG}text") if text.get("class") == "strong halo"]
    heights = sorted(float(name.get("y", "nan")) for name in names)
    assert len(heights) == 3
    assert all(low - high >= 15 for high, low in itertools.pairwise(heights))
