"""`encas nat pool`: from a run to a bundle."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")


def test_a_run_becomes_a_pool_a_front_and_a_bundle(nat_loop, tmp_path, encas):
    pool, front = tmp_path / "pool", tmp_path / "front.json"
    call = ("nat", "pool", nat_loop.folder, "--out", pool, "--workers", 1)
    made = encas(*call, "--json")
    ran = json.loads((nat_loop.folder / "run.json").read_text())
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
    exporting = ("--index", 0, "--out", bundle, "--exporter", "legacy")
    exported = encas("export", front, pool, *exporting)
    assert exported.code == 0, exported.err
    assert (bundle / "cascade.onnx").is_file()


def test_archive_and_limit_choose_the_subnets(nat_loop, tmp_path, encas):
    call = ("nat", "pool", nat_loop.folder, "--workers", 1, "--json", "--archive")
    made = encas(*call, "--out", tmp_path / "pool", "--per-run", 2)
    archive = json.loads((nat_loop.folder / "run.json").read_text())["archive"]
    ordered = sorted(archive, key=lambda each: each["macs"])
    expected = [f"small-fused_{each['genome']}" for each in (ordered[0], ordered[-1])]
    assert [model["name"] for model in made.json["models"]] == expected


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--out", "OUT"), 2, "Missing argument 'RUN...'"),
        (("RUN",), 2, "Missing option '--out'"),
        (("RUN", "RUN", "--out", "OUT"), 1, "is given twice"),
        (("no", "--out", "OUT"), 1, "no finished run: it has no run.json"),
        (("RUN", "--data", "DATA", "--out", "OUT"), 1, "120 of 150 samples are among those"),
        (("RUN", "--per-run", "0", "--out", "OUT"), 2, "0 is not in the range x>=1"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, code, words, nat_loop, tmp_path, encas):
    places = {"DATA": nat_loop.data, "OUT": tmp_path / "pool", "RUN": nat_loop.folder}
    failed = encas("nat", "pool", *(places.get(word, word) for word in arguments))
    assert failed.code == code
    assert words in failed.err
    assert "Traceback" not in failed.err
    assert not (tmp_path / "pool").exists()
