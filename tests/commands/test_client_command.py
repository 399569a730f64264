"""What the command says of a report; how a server is asked is tested with servers."""

import numpy as np
import pytest

pytest.importorskip("tritonclient")

from encas.commands.client_command import _json, _text
from encas.data.dataset import Dataset
from encas.intervals import wilson_interval
from encas.serving.load_client import ClientReport

DATASET = Dataset(
    name="npz:x.npz", label=np.array([0, 1, 2, 1]), sample_shape=(2,), dtype="float32",
    read=lambda rows: np.zeros((len(rows), 2), np.float32),
)  # fmt: skip


def report(**values) -> ClientReport:
    known = {
        "model": "m",
        "label": np.array([0, 1, 0, -1]),
        "stage": np.array([1, 2, 1, 0]),
        "latency_s": np.array([0.001, 0.002, 0.003]),
        "wall_s": 1.5,
        "cascades": {"small": 2, "large": 1},
        "refusals": {"503: full": 1},
    }
    return ClientReport(**known | values)


def test_accuracy_is_that_of_the_samples_that_were_answered():
    found = _json(report(), DATASET, n_available=4)
    assert (found["n_samples"], found["n_answered"], found["accuracy"]) == (4, 3, 2 / 3)
    assert found["interval"] == list(wilson_interval(2, 3))
    assert found["samples_per_s"] == 2.0
    assert (found["model"], found["data"]) == ("m", "npz:x.npz")


def test_exits_latencies_and_refusals_are_told_by_name():
    found = _json(report(), DATASET, n_available=4)
    assert found["exits"] == {"1": 2, "2": 1}
    assert found["latency_ms"] == pytest.approx({"p50": 2.0, "p90": 2.8, "p99": 2.98})
    assert found["cascades"] == {"small": 2, "large": 1}
    assert found["refusals"] == {"503: full": 1}


def test_text_says_all_of_it():
    low, high = wilson_interval(2, 3)
    assert _text(_json(report(), DATASET, n_available=4)).splitlines() == [
        "m: 3 of 4 samples answered",
        f"accuracy 0.6667 ({low:.4f} .. {high:.4f}, n = 3)",
        "p50 2.00 ms, p90 2.80 ms, p99 2.98 ms per request; 2 samples/s",
        "stage 1: 2 samples left (66.7%)",
        "stage 2: 1 samples left (33.3%)",
        "small: answered 2 requests",
        "large: answered 1 requests",
        "1 requests refused: 503: full",
    ]


def test_text_of_a_part_says_of_how_many_it_is():
    first = _text(_json(report(), DATASET, n_available=90)).splitlines()[0]
    assert first == "m: 3 of 4 samples answered, a random part of 90"


def test_nothing_answered_has_no_accuracy_and_no_times():
    nothing = report(
        label=np.full(4, -1), stage=np.zeros(4, int), latency_s=np.empty(0), cascades={}
    )
    found = _json(nothing, DATASET, n_available=4)
    assert (found["accuracy"], found["interval"], found["samples_per_s"]) == (None, [None] * 2, 0)
    assert found["latency_ms"] == {"p50": None, "p90": None, "p99": None}
    assert _text(found).splitlines() == [
        "m: 0 of 4 samples answered", "1 requests refused: 503: full",
    ]  # fmt: skip
