import numpy as np
import pytest

from encas.latency import LatencyProfile
from encas.manifest import Manifest
from encas.runtime.loading import load

QUICK = ("--window", 3, "--max-windows", 200)

pytestmark = pytest.mark.usefixtures("patient")


@pytest.fixture
def bundle(encas, loop, tmp_path):
    path = tmp_path / "bundle"
    ran = encas("export", loop.front, loop.pool, "--out", path, "--index", 2, "--data", loop.data)
    assert ran.code == 0, ran.err
    return path


@pytest.mark.parametrize("backend", ["staged", "graph"])
def test_run_writes_what_the_runner_predicts(encas, bundle, loop, tmp_path, backend):
    out = tmp_path / "predictions.npz"
    ran = encas("run", bundle, "--data", loop.data, "--out", out, "--backend", backend, "--json")
    assert ran.code == 0, ran.err
    with np.load(tmp_path / "data.npz") as data, np.load(out, allow_pickle=False) as found:
        expected = load(bundle)(data["x"])
        assert np.array_equal(found["label"], expected.label)
        assert np.array_equal(found["stage"], expected.stage)
        assert found["probabilities"].shape == (60, 4)
        assert ran.json["accuracy"] == pytest.approx((expected.label == data["label"]).mean())
        assert sum(ran.json["left_at_stage"]) == ran.json["n_samples"] == 60


def test_run_on_data_that_is_not_there_is_one_line(encas, bundle, tmp_path):
    ran = encas("run", bundle, "--data", "npz:none.npz", "--out", tmp_path / "p.npz")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.strip() == "Error: none.npz: no such file"


def test_run_on_a_device_that_is_not_here_is_refused(encas, bundle, loop, tmp_path):
    import onnxruntime  # noqa: PLC0415

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("CUDA is here")
    ran = encas(
        "run", bundle, "--data", loop.data, "--out", tmp_path / "p.npz", "--device", "cuda:0"
    )
    assert ran.code == 1
    assert "CUDAExecutionProvider does not load here" in ran.err
    assert not (tmp_path / "p.npz").exists()


@pytest.mark.parametrize("what", ["pool", "bundle"])
def test_profile_measures_every_member_at_every_size(encas, bundle, loop, tmp_path, what):
    out = tmp_path / "profile.json"
    path = loop.pool if what == "pool" else bundle
    sizes = ("--batch-size", 1, "--batch-size", 4)
    ran = encas("profile", path, *sizes, "--out", out, *QUICK, "--json")
    assert ran.code == 0, ran.err
    profile = LatencyProfile.load(out)
    assert profile.members == ("small", "medium", "large")
    assert all(profile.batch_sizes(member) == (1, 4) for member in profile.members)
    assert profile.gate_ms > 0
    assert all("samples_ms" not in timing for timing in ran.json["timings"])
    assert all(timing.samples_ms for timing in profile.timings)
    sources = [timing.source for timing in profile.timings]
    assert sources == [s for name in profile.members for s in [f"onnx:../{name}.onnx"] * 2]


def test_profile_goes_on_where_it_stopped(encas, loop, tmp_path):
    out = tmp_path / "profile.json"
    first = ("--batch-size", 1, "--out", out, *QUICK)
    assert encas("profile", loop.pool, *first, "--model", "medium").code == 0
    before = LatencyProfile.load(out)
    assert before.members == ("medium",)
    assert encas("profile", loop.pool, *first, "--batch-size", 2).code == 0
    after = LatencyProfile.load(out)
    assert after.timings[0] == before.timings[0]
    assert set(after.members) == {"small", "medium", "large"}


def test_profile_of_another_setting_is_refused(encas, loop, tmp_path):
    out = tmp_path / "profile.json"
    common = ("profile", loop.pool, "--out", out, *QUICK, "--batch-size")
    assert encas(*common, 1, "--threads", 1, "--model", "small").code == 0
    ran = encas(*common, 2, "--threads", 2, "--model", "small")
    assert ran.code == 1
    assert "n_threads was 1, is 2 now" in ran.err


def test_profile_of_a_model_that_is_not_there_is_refused(encas, loop, tmp_path):
    ran = encas(
        "profile", loop.pool, "--batch-size", 1, "--out", tmp_path / "p.json", "--model", "huge"
    )
    assert ran.code == 1
    assert "there is no model huge; there are: small, medium, large" in ran.err


def test_profile_of_a_folder_that_is_neither_is_refused(encas, tmp_path):
    (tmp_path / "empty").mkdir()
    ran = encas("profile", tmp_path / "empty", "--batch-size", 1, "--out", tmp_path / "p.json")
    assert ran.code == 1
    assert "Error: " in ran.err


def test_bench_notes_the_time_in_the_manifest(encas, bundle, loop):
    sizes = ("--batch-size", 1, "--batch-size", 8)
    ran = encas("bench", bundle, "--data", loop.data, *sizes, *QUICK, "--json")
    assert ran.code == 0, ran.err
    latencies = Manifest.load(bundle).latencies
    assert [latency.timing.batch_size for latency in latencies] == [1, 8]
    for printed, latency in zip(ran.json["bench"], latencies, strict=True):
        assert printed["latency"]["mean_ms"] == latency.mean_ms
        assert latency.data == loop.data
        assert latency.reach[0] == 1
        assert latency.predicted_ms > 0
        assert [m["name"] for m in printed["members"]] == ["small", "medium", "large"]


def test_bench_again_replaces_the_time(encas, bundle, loop):
    for _ in range(2):
        ran = encas("bench", bundle, "--data", loop.data, "--batch-size", 2, *QUICK)
        assert ran.code == 0, ran.err
    assert len(Manifest.load(bundle).latencies) == 1


def test_bench_without_data_says_that_its_input_is_random(encas, bundle):
    ran = encas("bench", bundle, "--batch-size", 1, *QUICK, "--backend", "graph")
    assert ran.code == 0, ran.err
    assert "Random input: the exit shares are not those of data" in ran.err
    assert Manifest.load(bundle).latencies[0].data == "random"


def test_bench_takes_members_times_from_a_profile(encas, bundle, loop, tmp_path):
    out = tmp_path / "profile.json"
    assert encas("profile", bundle, "--batch-size", 1, "--out", out, *QUICK).code == 0
    ran = encas(
        "bench", bundle, "--data", loop.data, "--batch-size", 1, "--profile", out, *QUICK, "--json"
    )
    profile = LatencyProfile.load(out)
    reach = ran.json["bench"][0]["latency"]["reach"]
    predicted = profile.cascade_ms(profile.members, reach, batch_size=1)
    assert ran.json["bench"][0]["latency"]["predicted_ms"] == pytest.approx(predicted)


def test_bench_on_too_few_samples_is_refused(encas, bundle, loop):
    ran = encas("bench", bundle, "--data", loop.data, "--batch-size", 100, *QUICK)
    assert ran.code == 1
    assert "a batch of 100 needs as many samples, got 60" in ran.err


@pytest.mark.parametrize("command", ["run", "profile", "bench", "doctor"])
def test_command_shows_an_example(encas, command):
    assert f"Example: encas {command}" in encas(command, "--help").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("profile", "x", "--out", "y"),
        ("bench", "x", "--batch-size", 0),
        ("run", "x", "--out", "y"),
        ("run", "x", "--out", "y", "--data", "z", "--backend", "w"),
    ],
)
def test_command_used_wrongly_ends_with_2(encas, arguments):
    assert encas(*arguments).code == 2
