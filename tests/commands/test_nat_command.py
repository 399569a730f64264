import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

import torch

SMALL = (
    "--iterations", "1", "--archive-size", "8", "--surrogate-evaluations", "50",
    "--epochs", "1", "--warm-up-epochs", "1", "--training-batch-size", "24", "--samples", "100",
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small lose time on a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> str:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "samples.npz"
    x = rng.normal(size=(150, 1, 8, 8)).astype(np.float32)
    np.savez(path, x=x, label=np.arange(150) % 3)
    return f"npz:{path}"


def test_nat_prints_the_front_and_goes_on_from_a_finished_run(samples, tmp_path, encas):
    call = ("--supernet", "small-fused", "--data", samples, "--out", tmp_path / "run", *SMALL)
    printed = encas("nat", *call, "--json")
    content = printed.json
    assert content["supernet"] == "small-fused"
    assert content["n_search"] == 30
    assert all(0 <= subnet["error"] <= 1 for subnet in content["front"])
    assert "round 1: 8 subnets" in printed.err
    assert "surrogate tau" in printed.err
    assert "there is a run already (run.json)" in encas("nat", *call).err
    assert "front of" in encas("nat", *call, "--resume").out
    other = encas("nat", *call, "--resume", "--seed", 1)
    assert other.code == 1
    assert "holds a finished run with other" in other.err


def test_images_take_the_preprocessing_and_the_size(tmp_path, encas):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (150, 20, 20, 3)).astype(np.uint8)
    np.savez(tmp_path / "images.npz", x=x, label=np.arange(150) % 3)
    data, out = f"npz:{tmp_path / 'images.npz'}", tmp_path / "run"
    call = ("--supernet", "small-mobile", "--data", data, "--out", out, "--size", 12, *SMALL)
    printed = encas("nat", *call)
    content = json.loads((out / "run.json").read_text())
    assert content["supernet"]["size"] == 12
    assert content["preprocessing"]["size"] == [12, 12]
    assert "small-mobile: front of" in printed.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run",), 2, "Missing option '--supernet'"),
        (("--supernet", "small-fused"), 2, "Missing option '--data'"),
        (("--supernet", "x", "--data", "SAMPLES", "--out", "OUT"), 2, "'x' is not one of"),
        (
            ("--supernet", "alphanet", "--data", "SAMPLES", "--out", "OUT"),
            1,
            "needs trained weights; its authors publish alphanet_pretrained.pth.tar at https://",
        ),
        (
            ("--supernet", "small-fused", "--data", "SAMPLES", "--out", "OUT", "--samples", "90"),
            1,
            "expected at least a batch of 100 samples to train on, got 90",
        ),
        (("--supernet", "small-fused", "--data", "npz:no", "--out", "OUT"), 1, "no"),
        (("--preset", "mnist"), 2, "'mnist' is not one of"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, code, words, samples, tmp_path, encas):
    places = {"SAMPLES": samples, "OUT": str(tmp_path / "run")}
    failed = encas("nat", *(places.get(word, word) for word in arguments))
    assert failed.code == code
    assert words in failed.err
    assert "Traceback" not in failed.err
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def run_folder(samples, tmp_path_factory):
    from click.testing import CliRunner  # noqa: PLC0415

    from encas.cli import group  # noqa: PLC0415

    out = tmp_path_factory.mktemp("runs") / "run"
    call = ("nat", "run", "--supernet", "small-fused", "--data", samples, "--out", out, *SMALL)
    done = CliRunner().invoke(group, [str(word) for word in call])
    assert done.exit_code == 0, done.output
    return out


def test_a_run_becomes_a_pool_a_front_and_a_bundle(run_folder, tmp_path, encas):
    pool, front = tmp_path / "pool", tmp_path / "front.json"
    call = ("nat", "pool", run_folder, "--out", pool)
    made = encas(*call, "--json")
    ran = json.loads((run_folder / "run.json").read_text())
    assert [model["name"] for model in made.json["models"]] == [
        f"small-fused_{genome}" for genome in ran["front"]
    ]
    errors = {each["genome"]: each["error"] for each in ran["archive"]}
    for model in made.json["models"]:
        assert model["accuracy"] == pytest.approx(1 - errors[model["name"].split("_")[1]])
    assert "calibrating subnets" in made.err
    again = encas(*call, "--json")
    assert again.json["build"]["n_built"] == 0
    assert "calibrating" not in again.err
    assert encas("search", pool, "--out", front, "--evaluations", 200).code == 0
    bundle = tmp_path / "bundle"
    exported = encas("export", front, pool, "--index", 0, "--out", bundle)
    assert exported.code == 0, exported.err
    assert (bundle / "cascade.onnx").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--out", "OUT"), 2, "Missing argument 'RUN...'"),
        (("RUN",), 2, "Missing option '--out'"),
        (("RUN", "RUN", "--out", "OUT"), 1, "is given twice"),
        (("no", "--out", "OUT"), 1, "no finished run: it has no run.json"),
        (("RUN", "--data", "SAMPLES", "--out", "OUT"), 1, "120 of 150 samples are among those"),
        (("RUN", "--per-run", "0", "--out", "OUT"), 2, "0 is not in the range x>=1"),
    ],
)
def test_bad_input_of_nat_pool(arguments, code, words, samples, run_folder, tmp_path, encas):
    places = {"SAMPLES": samples, "OUT": str(tmp_path / "pool"), "RUN": str(run_folder)}
    failed = encas("nat", "pool", *(places.get(word, word) for word in arguments))
    assert failed.code == code
    assert words in failed.err
    assert "Traceback" not in failed.err
    assert not (tmp_path / "pool").exists()
