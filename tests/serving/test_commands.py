"""`encas serve` and `encas client` as a user types them, with servers."""

import json
import re

import numpy as np
import pytest

from encas.runtime.loading import load

SHAPE = (1, 4, 4)


@pytest.fixture
def data(bundle, tmp_path):
    """60 labelled samples; a third of the labels are what the bundle answers."""
    x = np.random.default_rng(11).normal(0, 1, (60, *SHAPE)).astype(np.float32)
    label = load(bundle)(x).label.copy()
    label[20:] = (label[20:] + 1) % 5
    np.savez(tmp_path / "data.npz", x=x, label=label)
    return tmp_path / "data.npz"


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_client_reports_accuracy_exits_and_latencies(encas, served, bundle, data, scheme):
    url = f"{scheme}://{served.http if scheme == 'http' else served.grpc}"
    arguments = ("--model", "three", "--batch-size", 7, "--concurrency", 3, "--json")
    found = encas("client", url, "--data", f"npz:{data}", *arguments).json
    stage = load(bundle)(np.load(data)["x"]).stage
    exits = {str(j): int((stage == j).sum()) for j in (1, 2, 3)}
    assert (found["n_answered"], found["accuracy"]) == (60, 20 / 60)
    assert found["interval"][0] < 1 / 3 < found["interval"][1]
    assert (found["exits"], found["cascades"], found["refusals"]) == (exits, {"three": 9}, {})
    times = [found["latency_ms"][key] for key in ("p50", "p90", "p99")]
    assert 0 < times[0] <= times[1] <= times[2]


def test_client_for_people_says_the_same(encas, served, data):
    ran = encas("client", served.http, "--data", f"npz:{data}", "--model", "two", "--limit", 10)
    assert "two: 10 of 10 samples answered, a random part of 60" in ran.out
    assert re.search(r"accuracy \d\.\d{4} \(.*, n = 10\)", ran.out)
    said = f"the data npz:{data} states no class names: its classes are taken in the order of"
    assert f"{said} the model two" in ran.err
    assert re.search(r"stage [12]: \d+ samples left", ran.out)


def test_client_with_a_limit_finds_the_accuracy_of_all_samples(encas, served, data):
    # Right answers stand at the front: the first 15 samples would give 1.0.
    url = ("client", served.http, "--data", f"npz:{data}", "--model", "three", "--json")
    found = encas(*url, "--limit", 15, "--seed", 1).json
    assert (found["n_answered"], found["n_available"]) == (15, 60)
    assert found["interval"][0] < 1 / 3 < found["interval"][1]
    assert encas(*url, "--limit", 15, "--seed", 1).json["accuracy"] == found["accuracy"]


def test_client_without_a_model_names_the_choice(encas, served, data):
    ran = encas("client", served.http, "--data", f"npz:{data}")
    assert ran.code == 1
    assert "choose one of its models with --model: both, three, two" in ran.err


def test_client_counts_refusals(encas, served, tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros((3, 7), np.float32), label=np.zeros(3, int))
    arguments = ("--data", f"npz:{tmp_path / 'other.npz'}", "--model", "two")
    ran = encas("client", served.http, *arguments)
    assert "0 of 3 samples answered" in ran.out
    assert "3 requests refused: 400: unexpected shape" in ran.out


@pytest.mark.parametrize("url", ["127.0.0.1:1", "grpc://127.0.0.1:1"])
def test_client_without_a_server_is_one_line(encas, data, url):
    ran = encas("client", url, "--data", f"npz:{data}")
    assert ran.code == 1
    assert re.search(r"Error: 127.0.0.1:1: cannot be asked", ran.err)


def test_served_bundle_can_have_another_name(server, bundle):
    running = server(f"mine={bundle}")
    status, _, body = running.ask("GET", "/v2/models/mine")
    assert (status, json.loads(body)["name"]) == (200, "mine")


def test_policy_serves_one_model_more_whose_answers_name_the_cascade(server, bundles):
    running = server(bundles / "three", bundles / "two", "--policy", "slo", "--p99-ms", 50)
    x = np.zeros((1, *SHAPE), np.float32)
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, *SHAPE], "data": x.tolist()}
    status, _, body = running.ask(
        "POST", "/v2/models/front/infer", json.dumps({"inputs": [tensor]})
    )
    assert status == 200
    assert json.loads(body)["parameters"]["cascade"] in ("three", "two")
    _, _, config = running.ask("GET", "/v2/models/front/config")
    parameters = json.loads(config)["parameters"]
    assert parameters["p99_ms"]["string_value"] == "50"
    assert set(parameters["cascades"]["string_value"].split(",")) == {"three", "two"}
