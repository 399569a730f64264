import json

import pytest

from encas.cascade import Cascade
from encas.errors import FrontError
from encas.fronts.front import Front, given_front
from encas.fronts.scored_cascade import PoolReference, ScoredCascade

POOL = PoolReference(name="p", sha256="0" * 64, n_samples=100, n_classes=3)


def scored(error: float, cost: float, *members: str, **more) -> ScoredCascade:
    names = members or (f"m{cost:g}",)
    cascade = Cascade(members=names, thresholds=(0.5,) * (len(names) - 1))
    return ScoredCascade(cascade=cascade, error=error, cost=cost, reach=(1.0,) * len(names), **more)


@pytest.fixture
def front() -> Front:
    cascades = (scored(0.5, 1), scored(0.2, 2), scored(0.15, 8), scored(0.1, 20, "a", "b"))
    return Front(pool=POOL, objectives=("error", "macs"), cascades=cascades, search={"seed": 3})


def test_save_load_round_trip_is_identical(front, tmp_path):
    front.save(tmp_path / "front.json")
    assert Front.load(tmp_path / "front.json") == front


def test_save_other_rules_are_kept(front, tmp_path):
    cascade = Cascade(members=("a", "b"), thresholds=(0.5,), confidence="margin", combine="replace")
    other = front.with_cascades(
        [ScoredCascade(cascade=cascade, error=0.1, cost=1, reach=(1.0, 0.5), costs={"macs": 3.0})]
    )
    other.save(tmp_path / "front.json")
    assert Front.load(tmp_path / "front.json") == other


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format": "encas.pool"}, "format must be 'encas.front'"),
        ({"version": 2}, "version must be 1"),
        ({"objectives": ["error"]}, "objectives has 1 items"),
        ({"extra": 1}, "unknown key 'extra'"),
    ],
)
def test_load_foreign_file_is_refused(front, tmp_path, change, match):
    (tmp_path / "f.json").write_text(json.dumps(front.to_json() | change))
    with pytest.raises(FrontError, match=match):
        Front.load(tmp_path / "f.json")


def test_load_bad_cascades_are_all_named(front, tmp_path):
    content = front.to_json()
    content["cascades"][1]["members"] = ["a", "a"]
    content["cascades"][3]["reach"] = [1.0]
    (tmp_path / "f.json").write_text(json.dumps(content))
    with pytest.raises(FrontError, match="cascade 1: .*at most once") as caught:
        Front.load(tmp_path / "f.json")
    assert "cascade 3: 2 members need as many reaches" in str(caught.value)


def test_select_returns_the_cascade(front):
    assert front.select(max_cost=100).members == ("a", "b")


def test_repr_is_short(front):
    text = "Front('p', 4 cascades, error 0.100 .. 0.500, macs 1 .. 20)"
    assert repr(front) == text
    large = front.with_cascades([scored(0.25, 1.23e6), scored(0.125, 2.9e8)])
    assert repr(large) == "Front('p', 2 cascades, error 0.125 .. 0.250, macs 1.2e6 .. 2.9e8)"
    assert repr(front.with_cascades(front.cascades[:1])).startswith("Front('p', 1 cascade, ")
    assert repr(front.with_cascades([])) == "Front('p', 0 cascades)"


def test_html_is_a_table_of_escaped_text(front):
    html = front.with_cascades([scored(0.25, 3e6, "<b>a</b>", "b")])._repr_html_()
    assert html.count("<tr>") == 2
    assert "&lt;b&gt;a&lt;/b&gt; (0.5) &gt; b" in html
    assert "<b>" not in html
    assert "3 MMACs" in html


def test_html_of_many_cascades_shows_some_and_both_ends(front):
    many = front.with_cascades([scored(0.5 - i / 200, 1 + i) for i in range(90)])
    html = many._repr_html_()
    assert html.count("<tr>") == 21
    assert '<th scope="row">0</th>' in html
    assert '<th scope="row">89</th>' in html
    assert html.endswith("<p>20 of 90 are shown</p>")


def test_front_is_a_sequence_of_its_cascades(front):
    assert len(front) == 4
    assert list(front) == list(front.cascades)
    assert front[front.index_of(knee=True)].cascade == front.select(knee=True)
    assert front[-1] is front.cascades[-1]
    assert front.with_cascades([])


def test_given_front_is_itself_or_by_its_path(front, tmp_path):
    assert given_front(front) is front
    front.save(tmp_path / "f.json")
    assert given_front(tmp_path / "f.json") == given_front(str(tmp_path / "f.json")) == front
    with pytest.raises(FrontError, match="expected a Front or the path of one, got list"):
        given_front([])
