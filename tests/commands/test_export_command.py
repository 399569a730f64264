import json

import numpy as np
import pytest

from encas.cli import export_main
from encas.fronts.front import Front
from encas.manifest import Manifest
from encas.pools.model import Model
from encas.pools.pool import Pool


@pytest.fixture
def bundle(encas, loop, tmp_path):
    path = tmp_path / "bundle"
    ran = encas("export", loop.front, loop.pool, "--out", path, "--index", 1, "--data", loop.data)
    assert ran.code == 0, ran.err
    return path


def test_export_makes_the_bundle_of_the_index_and_proves_it(bundle, loop):
    manifest = Manifest.load(bundle)
    scored = Front.load(loop.front).cascades[1]
    assert manifest.cascade == scored.cascade
    assert [proof.subject for proof in manifest.proof] == ["executor", "graph"]
    assert all(proof.n_samples == 60 for proof in manifest.proof)
    (expected,) = manifest.expected
    assert expected.accuracy == scored.accuracy
    assert expected.reach == scored.reach
    assert (expected.objective, expected.cost) == ("macs", scored.cost)
    assert expected.interval[0] < expected.accuracy < expected.interval[1]
    assert manifest.provenance["algorithm"] == "by hand"
    assert [member.macs for member in manifest.members] == [24, 2400]


def test_export_prints_the_manifest_as_json(encas, loop, tmp_path):
    ran = encas("export", loop.front, loop.pool, "--out", tmp_path / "b", "--index", 0, "--json")
    assert ran.json == Manifest.load(tmp_path / "b").to_json()
    assert "Decisions were not proven against the pool: give --data DATA" in ran.err


def test_export_takes_the_options_of_select(encas, loop, tmp_path):
    limits = ("--max-cost", Front.load(loop.front).cascades[0].cost)
    assert encas("export", loop.front, loop.pool, "--out", tmp_path / "b", *limits).code == 0
    assert Manifest.load(tmp_path / "b").cascade.members == ("small",)
    ran = encas("export", loop.front, loop.pool, "--out", tmp_path / "c", "--min-accuracy", 2)
    assert ran.code == 1
    assert "none of 3 cascades has accuracy >= 2" in ran.err


def test_export_without_an_option_is_wrong_usage_but_of_one_cascade(encas, loop, tmp_path):
    ran = encas("export", loop.front, loop.pool, "--out", tmp_path / "b")
    assert ran.code == 2
    assert "of 3 cascades: --min-accuracy, --max-cost, --max-latency-ms or --knee, or --" in ran.err
    front = Front.load(loop.front)
    front.with_cascades(front.cascades[1:2]).save(tmp_path / "one.json")
    assert encas("export", tmp_path / "one.json", loop.pool, "--out", tmp_path / "b").code == 0
    assert Manifest.load(tmp_path / "b").cascade == front.cascades[1].cascade


def test_export_without_a_graph_makes_none(encas, loop, tmp_path):
    arguments = ("--out", tmp_path / "b", "--index", 1, "--graph", "none")
    assert encas("export", loop.front, loop.pool, *arguments).code == 0
    assert Manifest.load(tmp_path / "b").graph is None


def test_export_over_a_bundle_needs_overwrite(encas, loop, bundle):
    again = ("export", loop.front, loop.pool, "--out", bundle, "--index", 0)
    ran = encas(*again)
    assert (ran.code, ran.out) == (1, "")
    assert "already exists; give another path, or --overwrite" in ran.err
    assert encas(*again, "--overwrite").code == 0
    assert Manifest.load(bundle).cascade.n_stages == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--index", 3), r"the front has the cascades 0..2, got 3"),
        (("--index", 1, "--data", "digits"), "the data digits has 10 classes, pool linear has 4"),
    ],
)
def test_export_that_cannot_be_is_one_line(encas, loop, tmp_path, arguments, message):
    ran = encas("export", loop.front, loop.pool, "--out", tmp_path / "b", *arguments)
    assert ran.code == 1
    assert message in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert not (tmp_path / "b").exists()


def test_export_of_a_pool_without_sources_is_refused(encas, loop, tmp_path):
    pool = Pool.load(loop.pool)
    models = [Model(name=m.name, kind=m.kind, costs=m.costs) for m in pool.models]
    outputs = [np.asarray(output) for output in pool.outputs]
    Pool.of(outputs=outputs, label=pool.label, models=models, name="bare").save(tmp_path / "bare")
    ran = encas("export", loop.front, tmp_path / "bare", "--out", tmp_path / "b", "--index", 1)
    assert ran.code == 1
    assert "pool bare: 2 faults: small has no source: import the pool with" in ran.err


def test_export_whose_proof_fails_leaves_no_bundle(encas, loop, tmp_path):
    pool = Pool.load(loop.pool)
    outputs = [np.asarray(output)[:, ::-1].copy() for output in pool.outputs]
    Pool.of(outputs=outputs, label=pool.label, models=pool.models, name="liar").save(
        tmp_path / "liar"
    )
    ran = encas(
        "export", loop.front, tmp_path / "liar", "--out", tmp_path / "b", "--index", 1,
        "--data", loop.data,
    )  # fmt: skip
    assert ran.code == 1
    assert "the executor decides otherwise than the outputs stored in pool liar" in ran.err
    assert not (tmp_path / "b").exists()


def test_export_from_a_pool_of_half_floats_explains_what_rounding_flips(encas, loop, tmp_path):
    pool = Pool.load(loop.pool)
    outputs = [np.asarray(output).astype(np.float16) for output in pool.outputs]
    half = Pool.of(outputs=outputs, label=pool.label, models=pool.models, name="half")
    half.save(tmp_path / "half")
    ran = encas(
        "export", loop.front, tmp_path / "half", "--out", tmp_path / "b", "--index", 2,
        "--data", loop.data,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert Manifest.load(tmp_path / "b").proof[0].margin > 2**-12


def test_encas_export_is_the_same_command(loop, tmp_path, monkeypatch, capsys):
    arguments = ["encas-export", str(loop.front), str(loop.pool), "--out", str(tmp_path / "b")]
    monkeypatch.setattr("sys.argv", [*arguments, "--index", "1", "--json"])
    with pytest.raises(SystemExit) as stop:
        export_main()
    assert not stop.value.code
    assert json.loads(capsys.readouterr().out)["format"] == "encas.bundle"


def test_verify_tells_that_all_agrees(encas, bundle, loop):
    ran = encas("verify", bundle, "--data", loop.data)
    assert ran.code == 0
    assert "60, of them 60 known to the bundle" in ran.out
    assert "0 other labels, 0 other stages" in ran.out


def test_verify_as_json_has_every_proof(encas, bundle, loop):
    content = encas("verify", bundle, "--data", loop.data, "--json").json
    assert (content["n_samples"], content["n_known"]) == (60, 60)
    assert content["accuracy"] == content["n_correct"] / 60
    assert [(p["subject"], p["n_label_flips"], p["n_stage_flips"]) for p in content["proofs"]] == [
        ("executor", 0, 0), ("graph", 0, 0),
    ]  # fmt: skip


def test_verify_against_the_pool_compares_with_its_outputs(encas, bundle, loop):
    content = encas("verify", bundle, "--data", loop.data, "--pool", loop.pool, "--json").json
    assert content["proofs"][0]["against"] == "the outputs stored in pool linear"


def test_verify_of_a_changed_bundle_fails(encas, bundle, loop):
    member = Manifest.load(bundle).members[0].file
    content = (bundle / member).read_bytes()
    (bundle / member).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    ran = encas("verify", bundle, "--data", loop.data)
    assert (ran.code, ran.out) == (1, "")
    assert "expected SHA-256" in ran.err


def test_verify_of_changed_thresholds_shows_the_flips_and_fails(encas, bundle, loop):
    path = bundle / "manifest.json"
    content = json.loads(path.read_text())
    content["stages"][0]["threshold"] = 0.01
    path.write_text(json.dumps(content))
    ran = encas("verify", bundle, "--data", loop.data, "--json")
    assert ran.code == 1
    assert ran.json["proofs"][0]["n_stage_flips"] > 0
    assert "the executor decides otherwise than the decisions that it was proven on" in ran.err


@pytest.mark.parametrize("command", ["export", "verify"])
def test_command_shows_an_example(encas, command):
    assert f"Example: encas {command}" in encas(command, "--help").out
