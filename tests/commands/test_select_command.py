import numpy as np
import pytest

from encas.fronts.front import Front
from encas.pools.pool import Pool
from encas.search.front_finding import find_front


@pytest.fixture
def front_file(tiny_pool, tmp_path):
    find_front(tiny_pool, evaluations=300).save(tmp_path / "front.json")
    return tmp_path / "front.json"


@pytest.fixture
def held_out(rng, tmp_path):
    label = rng.integers(3, size=500)
    outputs = np.full((3, 500, 3), 0.1, np.float32)
    outputs[:, np.arange(500), label] = 0.8
    wrong = rng.random((3, 500)) < np.array([0.4, 0.2, 0.05])[:, None]
    outputs[wrong] = np.roll(outputs[wrong], 1, axis=1)
    names = ["cheap", "middle", "dear"]
    costs = {"macs": [1e6, 4e6, 2e7], "params": [1e3, 5e3, 3e4]}
    pool = Pool.of(outputs=outputs, label=label, names=names, costs=costs, name="held out")
    return pool.save(tmp_path / "held_out").path


def test_select_prints_the_cascade_and_its_neighbours(encas, front_file):
    ran = encas("select", front_file, "--min-accuracy", 0.8)
    assert ran.code == 0
    assert "stage 1: " in ran.out
    assert "points less accurate, costs " in ran.out


def test_select_nothing_fits_exits_with_the_nearest_miss(encas, front_file):
    ran = encas("select", front_file, "--max-cost", 10)
    assert ran.code == 1
    assert "nearest miss: cascade 0" in ran.err


def test_select_without_an_option_is_wrong_usage_but_of_one_cascade(encas, front_file, tmp_path):
    ran = encas("select", front_file)
    assert ran.code == 2
    assert "--min-accuracy, --max-cost, --max-latency-ms or --knee" in ran.err
    front = Front.load(front_file)
    front.with_cascades(front.cascades[:1]).save(tmp_path / "one.json")
    assert encas("select", tmp_path / "one.json", "--json").json["index"] == 0


def test_select_certify_proves_the_accuracy(encas, front_file, held_out):
    ran = encas(
        "select", front_file, "--knee", "--certify", held_out, "--risk", 0.01, "--json"
    ).json
    assert ran["certificate"]["risk"] == 0.01
    assert ran["certificate"]["n_samples"] == 500


def test_select_max_drop_writes_a_front_to_export(encas, front_file, held_out, tmp_path):
    out = tmp_path / "chosen.json"
    options = ("--min-accuracy", 0.99, "--certify", held_out, "--max-drop", 0.2, "--out", out)
    ran = encas("select", front_file, *options, "--json")
    assert ran.code == 0
    front = Front.load(out)
    assert len(front.cascades) == 1
    assert list(front.cascades[0].cascade.thresholds) == ran.json["thresholds"]
    assert front.search["certificate"] == ran.json["certificate"]
    assert front.pool.name == "held out"


def test_select_named_reference_is_used(encas, front_file, held_out):
    options = ("--certify", held_out, "--max-drop", 0.3, "--reference-model", "middle", "--json")
    ran = encas("select", front_file, "--min-accuracy", 0.99, *options)
    assert ran.json["certificate"]["reference_model"] == "middle"


def test_select_certify_on_the_searched_pool_is_refused(encas, front_file, tiny_pool, tmp_path):
    folder = tiny_pool.save(tmp_path / "pool").path
    ran = encas("select", front_file, "--knee", "--certify", folder)
    assert ran.code == 1
    assert "give another split" in ran.err


@pytest.mark.parametrize(
    "options",
    [
        ("--max-drop", 0.1),
        ("--reference-model", "dear"),
        ("--certify", ".", "--reference-model", "dear"),
    ],
)
def test_select_options_that_need_others_are_wrong_usage(encas, front_file, options):
    assert encas("select", front_file, *options).code == 2
