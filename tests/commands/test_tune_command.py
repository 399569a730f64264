"""`encas tune` on linear models: the whole circle, without torch."""

import json

import numpy as np
import pytest

from encas.fronts.front import Front
from encas.latency import LatencyProfile
from encas.manifest import Manifest

QUICK = ("--batch-size", 4, "--threads", 1, "--measure", 4, "--export", 2, "--evaluations", 300)


@pytest.fixture
def patient_tuning(patient, monkeypatch):
    from encas.jobs import measure_latency as latency_job  # noqa: PLC0415

    monkeypatch.setattr("encas.jobs.tuning.tune_pool.PATIENT", latency_job.PATIENT)


@pytest.mark.usefixtures("patient_tuning")
def test_tune_turns_the_whole_circle(encas, loop, tmp_path):
    out = tmp_path / "tuned"
    ran = encas("tune", loop.pool, "--out", out, "--data", loop.data, *QUICK, "--json")
    assert ran.code == 0, ran.err
    report = ran.json
    assert report == json.loads((out / "tune.json").read_text())
    assert report["n_models"] == 3
    assert report["recomputed"] == []
    assert 1 <= len(report["rounds"]) <= 4
    assert report["has_settled"] == (report["rounds"][-1]["median_error"] <= report["tolerance"])
    for pair in report["pairs"]:
        assert pair["by_latency"]["error"] <= pair["by_macs"]["error"]
        assert 0 < pair["by_latency"]["measured_ms"] <= pair["by_macs"]["measured_ms"]
        assert pair["by_latency"]["measured_ms"] <= pair["predicted"]["measured_ms"]
    profile = LatencyProfile.load(out / "profile.json")
    assert profile.batch_sizes(profile.members[0]) == (1, 2, 4)
    measured = Front.load(out / "front.json")
    costs = [one.cost for one in measured.cascades]
    assert {pair["by_latency"]["measured_ms"] for pair in report["pairs"]} <= set(costs)
    assert measured.objectives == ("error", "latency")
    assert all(
        a.error > b.error for a, b in zip(measured.cascades, measured.cascades[1:], strict=False)
    )
    assert (out / "report.html").read_text().startswith("<!")
    bundles = [Manifest.load(path) for path in sorted((out / "bundles").iterdir())]
    assert len(bundles) == len(report["bundles"]) <= 2
    for manifest in bundles:
        assert not any(proof.unexplained for proof in manifest.proof)
        assert manifest.latencies[0].timing.batch_size == 4
        assert manifest.latencies[0].predicted_ms > 0


def test_tune_without_data_is_one_line(encas, loop, tmp_path):
    ran = encas("tune", loop.pool, "--out", tmp_path / "tuned", *QUICK)
    assert (ran.code, ran.out) == (1, "")
    assert "the pool does not say what it was built on; give --data DATA" in ran.err


def test_tune_on_other_data_is_one_line(encas, loop, tmp_path):
    with np.load(tmp_path / "data.npz") as data:
        np.savez(tmp_path / "other.npz", x=data["x"][:30], label=data["label"][:30])
    ran = encas(
        "tune", loop.pool, "--out", tmp_path / "t", "--data", f"npz:{tmp_path}/other.npz", *QUICK
    )
    assert ran.code == 1
    assert "not the data that pool linear belongs to: none of its 60 samples" in ran.err
