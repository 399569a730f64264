import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")
pytest.importorskip("onnxscript")

CALL = ("--supernet", "small-fused", "--size", 8, "--channels", 1, "--classes", 3,
        "--batch-size", 2, "--threads", 1, "--subnets", 16)  # fmt: skip


@pytest.mark.usefixtures("patient", "one_thread")
def test_a_profile_of_random_subnets_prices_a_run(tmp_path, encas):
    out = tmp_path / "profile.json"
    measuring = ("--max-windows", 200, "--passes", 2, "--exporter", "legacy")
    made = encas("nat", "profile", *CALL, *measuring, "--out", out, "--json")
    assert made.code == 0, made.err
    (fit,) = made.json["fits"]
    assert fit["n"] == 16
    assert fit["batch_size"] == 2
    assert 0 <= fit["median_error"] <= fit["largest_error"]
    before = out.read_bytes()
    again = encas("nat", "profile", *CALL, "--out", out)
    assert "error, median" in again.out
    assert out.read_bytes() == before
    assert list(tmp_path.iterdir()) == [out]
    other = encas("nat", "profile", *CALL[:6], "--classes", 5, *CALL[8:], "--out", out)
    assert other.code == 1
    assert "times of 16 other models by the same names" in other.err
    samples = tmp_path / "samples.npz"
    x = np.random.default_rng(0).normal(size=(150, 1, 8, 8)).astype(np.float32)
    np.savez(samples, x=x, label=np.arange(150) % 3)
    small = ("--iterations", 0, "--archive-size", 8, "--surrogate-evaluations", 50, "--epochs", 1,
             "--warm-up-epochs", 1, "--training-batch-size", 24, "--samples", 100)  # fmt: skip
    call = ("--supernet", "small-fused", "--data", f"npz:{samples}", *small, "--latency", out)
    printed = encas("nat", *call, "--out", tmp_path / "run")
    assert "ms for 2" in printed.out
    assert "hypervolume of error and ms 0." in printed.err
    ran = json.loads((tmp_path / "run" / "run.json").read_text())
    assert ran["cost"] == "latency_ms"
    assert ran["settings"]["latency"]["n"] == 16
    assert all(subnet["latency_ms"] > 0 for subnet in ran["archive"])
    wrong = ("--latency", out, "--latency-batch-size", 3)
    refused = encas("nat", *call[:-2], *wrong, "--out", tmp_path / "other")
    assert refused.code == 1
    assert "at batch size 3, got 0; `encas nat profile` measures them" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("profile",), 2, "Missing option '--supernet'"),
        (("profile", *CALL[:-1], 3, "--out", "o"), 2, "3 is not in the range x>=16"),
        (("profile", "--supernet", "x", *CALL[2:], "--out", "o"), 2, "'x' is not one of"),
        (
            ("profile", *CALL[:3], 4, *CALL[4:], "--out", "o"),
            1,
            "takes images of 8..64 pixels a side, got 4",
        ),
        (
            ("--supernet", "small-fused", "--data", "x", "--out", "o", "--latency-batch-size", 2),
            2,
            "--latency-batch-size goes with --latency PROFILE",
        ),
        (
            ("--supernet", "small-fused", "--data", "x", "--out", "o", "--latency", "no.json"),
            1,
            "no.json",
        ),
    ],
)
def test_bad_input_is_one_clear_line(arguments, code, words, tmp_path, monkeypatch, encas):
    monkeypatch.chdir(tmp_path)
    failed = encas("nat", *arguments)
    assert failed.code == code
    assert words in failed.err
    assert "Traceback" not in failed.err
    assert not list(tmp_path.iterdir())
