"""The whole loop, small: every file is there, fits the next command, and says what is true."""

import json
from dataclasses import replace

import numpy as np
import pytest

from encas.demo import demo_flow as flow
from encas.demo.demo_flow import run_demo
from encas.evaluate.dense import decide_on
from encas.fronts.front import Front
from encas.latency import LatencyProfile
from encas.manifest import Manifest
from encas.pools.pool import Pool

from .conftest import SMALL

pytestmark = [pytest.mark.torch, pytest.mark.slow]


def test_demo_leaves_the_files_that_other_commands_expect(result, demo_folder):
    expected = {
        "pool", "pool_selection", "pool_test", "networks", "bundle", "bundle_latency",
        "bundle_single",
        "front.json", "front_selection.json", "front_test.json", "profile.json",
        "front_latency.json", "front_latency_selection.json", "front_latency_test.json",
        "predictions.npz", "predictions_latency.npz", "report.html",
    }  # fmt: skip
    assert {path.name for path in demo_folder.iterdir()} == expected
    assert result.path == demo_folder / "report.html"


def test_demo_chooses_the_same_cascade_in_front_and_bundle(result, demo_folder):
    manifest = Manifest.load(demo_folder / "bundle")
    fronts = [Front.load(demo_folder / f"front{s}.json") for s in ("", "_selection", "_test")]
    places = {[c.cascade for c in front.cascades].index(manifest.cascade) for front in fronts}
    assert len(places) == 1
    assert result.notes[0].startswith("By MACs:")


def test_demo_predictions_are_those_of_the_stored_outputs(result, demo_folder):
    for suffix in ("", "_latency"):
        predicted = np.load(demo_folder / f"predictions{suffix}.npz")
        cascade = Manifest.load(demo_folder / f"bundle{suffix}").cascade
        decision = decide_on(cascade, Pool.load(demo_folder / "pool_test"))
        assert (predicted["label"] == decision.label).mean() > 0.99
        assert (predicted["stage"] == decision.stage).mean() > 0.99
    assert "of 540 test images have the label" in result.notes[1]


def test_demo_measures_every_network_and_both_bundles(result, demo_folder):
    profile = LatencyProfile.load(demo_folder / "profile.json")
    assert profile.members == tuple(recipe.name for recipe in SMALL.recipes)
    for suffix in ("", "_latency", "_single"):
        latencies = Manifest.load(demo_folder / f"bundle{suffix}").latencies
        assert [latency.timing.batch_size for latency in latencies] == [1, 4]
        assert all(latency.predicted_ms for latency in latencies)
        assert {latency.data for latency in latencies} == {"digits32:test"}
    front = Front.load(demo_folder / "front_latency.json")
    assert (front.objectives, front.batch_size) == (("error", "latency"), 4)
    assert len(result.verdicts) == 2


def test_demo_table_compares_on_the_test_split(result, demo_folder):
    header, *rows = result.table
    assert header[:2] == ("", "best single model")
    assert [name.split(" by ")[1] for name in header[2:]] == ["MACs", "latency"]
    titles = [row[0] for row in rows]
    assert titles == [
        "accuracy on digits32:selection, n = 257 (95 % interval)",
        "accuracy on digits32:test, n = 540 (95 % interval)",
        "MACs per sample on digits32:test",
        "measured time per batch of 1 (mean)",
        "measured time per batch of 4 (mean)",
    ]
    page = (demo_folder / "report.html").read_text("utf-8")
    assert all(row[0] in page for row in rows)


def test_demo_shows_progress_to_the_end_of_every_step(result, steps):
    assert all(progress.is_over for progress in steps.latest.values())
    assert next(iter(steps.latest)) == "training networks"
    assert {"measuring models", "exporting bundle", "measuring bundle"} <= set(steps.latest)
    assert sum("on digits32" in what for what in steps.latest) == 2


def test_demo_again_trains_nothing_and_gives_the_same_front(result, demo_folder, steps):
    def front() -> dict:
        content = json.loads((demo_folder / "front.json").read_text("utf-8"))
        return {key: content[key] for key in ("pool", "objectives", "cascades")}

    weights = sorted((demo_folder / "networks").rglob("*.pt"))
    before = [path.stat().st_mtime_ns for path in weights], front()
    run_demo(demo_folder, on_progress=steps, settings=SMALL)
    assert ([path.stat().st_mtime_ns for path in weights], front()) == before


def test_demo_interrupted_in_the_search_stops(tmp_path, steps, monkeypatch):
    real = flow.search_pool

    def interrupted(*arguments, **options):
        return replace(real(*arguments, **options), interrupted=True)

    monkeypatch.setattr(flow, "search_pool", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_demo(tmp_path / "out", on_progress=steps, settings=SMALL)
    assert not (tmp_path / "out" / "front.json").exists()
