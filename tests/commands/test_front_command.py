"""`encas front show|evaluate`."""

from dataclasses import replace

import pytest

from encas.cascade import Cascade
from encas.commands.front_command import front_table
from encas.evaluate.objectives import TopOneError, front_costs
from encas.fronts.front import Front
from encas.fronts.scoring import pool_reference, score
from encas.intervals import wilson_interval
from encas.latency import LatencyProfile, Timing
from encas.runtime.session import NO_DEVICE

TIMES = {"cheap": 1.0, "middle": 2.0, "dear": 3.0}
CASCADES = [
    Cascade(members=("cheap",), thresholds=()),
    Cascade(members=("cheap", "dear"), thresholds=(0.5,)),
    Cascade(members=("dear",), thresholds=()),
]


@pytest.fixture
def front(tiny_pool) -> Front:
    objectives = ("error", "macs")
    return Front(
        pool=pool_reference(tiny_pool),
        objectives=objectives,
        cascades=tuple(
            score(CASCADES, tiny_pool, TopOneError(), front_costs(objectives, tiny_pool))
        ),
        search={"algorithm": "by hand"},
    )


@pytest.fixture
def front_file(front, tmp_path):
    front.save(tmp_path / "front.json")
    return tmp_path / "front.json"


def test_evaluate_says_where_the_front_is(encas, front_file, tiny_pool, tmp_path):
    pool, out = tiny_pool.save(tmp_path / "pool").path, tmp_path / "out.json"
    text = encas("front", "evaluate", front_file, pool, "--out", out).out
    assert text == (
        f"{out}: 3 cascades on tiny, found by by hand; `encas front show {out}` lists them\n"
    )


def test_table_has_a_row_for_each_cascade(front):
    table = front_table(front)
    assert table.title == ("3 cascades on tiny (8 samples), error against macs, found by by hand")
    cells = [list(column.cells) for column in table.columns]
    assert cells[0] == ["0", "1", "2"]
    intervals = [wilson_interval(round(one.accuracy * 8), 8) for one in front.cascades]
    assert cells[1] == [
        f"{one.accuracy:.4f} ({low:.4f} .. {high:.4f})"
        for one, (low, high) in zip(front.cascades, intervals, strict=True)
    ]
    assert cells[3][0] == "cheap"
    assert "0.5" in cells[3][1]


def test_table_of_another_metric_has_no_interval(front):
    balanced = front_table(replace(front, metric="balanced"))
    assert list(balanced.columns[1].cells) == [f"{one.accuracy:.4f}" for one in front.cascades]


def test_table_of_a_front_that_nobody_searched_names_no_algorithm(front):
    unsearched = Front(pool=front.pool, objectives=front.objectives, cascades=())
    assert front_table(unsearched).title == "0 cascades on tiny (8 samples), error against macs"


def test_show_prints_the_file(encas, front_file):
    assert encas("front", "show", front_file, "--json").json == Front.load(front_file).to_json()
    assert "error against macs" in encas("front", "show", front_file).out


def test_evaluate_scores_another_pool_and_keeps_cascades_and_order(
    encas, front_file, tiny_pool, tmp_path
):
    tiny_pool.take([0, 1, 2, 3], name="test").save(tmp_path / "test")
    out = tmp_path / "front_test.json"
    ran = encas("front", "evaluate", front_file, tmp_path / "test", "--out", out, "--json")
    after = Front.load(out)
    assert ran.json == after.to_json()
    assert [one.cascade for one in after.cascades] == CASCADES
    assert (after.pool.name, after.pool.n_samples) == ("test", 4)


def test_evaluate_on_its_own_pool_changes_no_score(encas, front, front_file, tiny_pool, tmp_path):
    tiny_pool.save(tmp_path / "pool")
    out = tmp_path / "again.json"
    assert encas("front", "evaluate", front_file, tmp_path / "pool", "--out", out).code == 0
    assert Front.load(out).cascades == front.cascades


def test_evaluate_of_a_front_by_latency_takes_the_profile(encas, front, tiny_pool, tmp_path):
    tiny_pool.save(tmp_path / "pool")
    timings = [Timing.of(name, 1, [ms]) for name, ms in TIMES.items()]
    profile = LatencyProfile(setting=NO_DEVICE, timings=tuple(timings))
    profile.save(tmp_path / "profile.json")
    by_ms = Front(pool=front.pool, objectives=("error", "latency"), cascades=front.cascades)
    by_ms.save(tmp_path / "front.json")
    call = ("front", "evaluate", tmp_path / "front.json", tmp_path / "pool", "--out")
    assert "latency needs measured times" in encas(*call, tmp_path / "a.json").err
    ran = encas(*call, tmp_path / "a.json", "--profile", tmp_path / "profile.json")
    assert ran.code == 0, ran.err
    costs = [one.cost for one in Front.load(tmp_path / "a.json").cascades]
    assert (costs[0], costs[2]) == (1.0, 3.0)


def test_front_found_on_classes_in_another_order_is_scored_and_certified_by_name(
    encas, shared_cases, tmp_path
):
    for name in "AB":
        arrays = shared_cases / "outputs" / f"classes{name}.npz"
        assert encas("pool", "import", arrays, "--out", tmp_path / name).code == 0
    front, scored = tmp_path / "f.json", tmp_path / "g.json"
    encas("search", tmp_path / "A", "--algorithm", "single", "--out", front)
    said = (
        "pool classesB: the classes are in another order than in the front's pool classesA, "
        "matched by name; its outputs are in the order of the front's pool classesA already\n"
    )
    ran = encas("front", "evaluate", front, tmp_path / "B", "--out", scored, "--json")
    assert (ran.code, ran.err) == (0, said)
    assert ran.json["notes"] == [said.strip()]
    assert Front.load(scored).cascades[-1].accuracy > 0.99
    ran = encas("select", front, "--min-accuracy", 0.99, "--certify", tmp_path / "B", "--json")
    assert ran.err == said
    assert ran.json["certificate"]["accuracy_at_least"] > 0.98
    assert ran.json["notes"] == [said.strip()]
