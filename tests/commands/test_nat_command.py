"""`encas nat run`; what it prints is that of a run which other commands go on with."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")


def test_run_prints_its_front_and_tells_its_rounds(nat_loop):
    content, stored = nat_loop.printed, json.loads((nat_loop.folder / "run.json").read_text())
    assert content["supernet"] == "small-fused"
    assert (content["n_search"], content["cost"], content["latency"]) == (30, "macs", None)
    assert [subnet["genome"] for subnet in content["front"]] == stored["front"]
    assert content["hypervolume"] == stored["history"][-1]["hypervolume"]
    assert "round 1: 8 subnets" in nat_loop.progress
    assert "surrogate tau" in nat_loop.progress
    assert f"`encas nat pool {nat_loop.folder} --out POOL` makes a pool" in nat_loop.progress


def test_images_take_the_preprocessing_and_the_size(nat_loop):
    content = json.loads((nat_loop.folder / "run.json").read_text())
    assert content["supernet"]["size"] == 8
    assert content["preprocessing"]["size"] == [8, 8]


def test_finished_run_is_shown_again_or_refused(nat_loop, small_run, encas):
    call = ("nat", "--supernet", "small-fused", "--data", nat_loop.data, "--out", nat_loop.folder,
            *small_run)  # fmt: skip
    assert "there is a run already (run.json)" in encas(*call).err
    shown = encas(*call, "--resume")
    assert "small-fused: front of" in shown.out
    assert nat_loop.printed["front"][0]["genome"] in shown.out
    other = encas(*call, "--resume", "--seed", 1)
    assert other.code == 1
    assert "holds a finished run with other" in other.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run",), 2, "Missing option '--supernet'"),
        (("--supernet", "small-fused"), 2, "Missing option '--data'"),
        (("--supernet", "x", "--data", "DATA", "--out", "OUT"), 2, "'x' is not one of"),
        (
            ("--supernet", "alphanet", "--data", "DATA", "--out", "OUT"),
            1,
            "needs trained weights; its authors publish alphanet_pretrained.pth.tar at https://",
        ),
        (
            ("--supernet", "small-fused", "--data", "DATA", "--out", "OUT", "--samples", "90"),
            1,
            "expected at least a batch of 100 samples to train on, got 90",
        ),
        (("--supernet", "small-fused", "--data", "npz:no", "--out", "OUT"), 1, "no"),
        (("--preset", "mnist"), 2, "'mnist' is not one of"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, code, words, nat_loop, tmp_path, encas):
    places = {"DATA": nat_loop.data, "OUT": str(tmp_path / "run")}
    failed = encas("nat", *(places.get(word, word) for word in arguments))
    assert failed.code == code
    assert words in failed.err
    assert "Traceback" not in failed.err
    assert not (tmp_path / "run").exists()
