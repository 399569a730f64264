import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from encas.errors import DataError, SearchError, SourceError
from encas.nat.nat_runs import (
    RUN_FILE,
    WEIGHTS_FILE,
    Calibration,
    DataRecord,
    NatRound,
    NatRun,
    ScoredSubnet,
    write_run,
    write_weights,
)
from encas.nat.pretrained import make_supernet
from encas.nat.sample_table import SampleTable
from encas.nat.space import largest, smallest
from encas.nat.subnet_evaluating import evaluator_of, samples_hash, search_source
from encas.nat.subnets import genome_text


@pytest.fixture
def data(tmp_path):
    """Ready samples of two classes."""
    x = np.random.default_rng(0).normal(size=(12, 1, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, label=np.arange(12) % 2)
    return f"npz:{tmp_path / 'data.npz'}"


@pytest.fixture
def run(tmp_path, data) -> NatRun:
    supernet = make_supernet("small-fused", n_classes=2, size=8, n_channels=1, seed=3)
    folder = tmp_path / "run"
    genomes = [genome_text(make(supernet.space)) for make in (smallest, largest)]
    x = torch.tensor(np.load(tmp_path / "data.npz")["x"])
    rows = (3, 1, 4, 5)
    label = torch.zeros(4, dtype=torch.int64)
    table = SampleTable(x=x[list(rows)], label=label, n_classes=2, preprocessing=None)
    run = NatRun(
        supernet="small-fused",
        size=8,
        n_channels=1,
        n_classes=2,
        classes=("a", "b"),
        preprocessing=None,
        data=DataRecord(train=data, search=data, search_rows=(2, 7), n_train=8, n_search=2),
        calibration=Calibration(rows=rows, batch_size=2, sha256=samples_hash(table)),
        seed=5,
        settings={"iterations": 1},
        versions={"torch": "2"},
        history=(
            NatRound(
                round=0,
                n_subnets=2,
                loss=0.5,
                tau=None,
                rmse=None,
                n_new=2,
                hypervolume=0.5,
                best_error=0.25,
            ),
        ),
        archive=(
            ScoredSubnet(genome=genomes[0], error=0.5, macs=1e3),
            ScoredSubnet(genome=genomes[1], error=0.25, macs=1e4),
        ),
        front=tuple(genomes),
        weights=write_weights(folder, supernet.module.state_dict()),
        folder=folder,
    )
    write_run(run)
    return run


def test_run_reads_back_with_its_weights(run):
    assert NatRun.load(run.folder) == run
    weights = run.open_supernet().module.state_dict()
    expected = make_supernet("small-fused", n_classes=2, size=8, n_channels=1, seed=3)
    expected = expected.module.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())
    assert run.scored(run.front[1]).error == 0.25
    assert run.genomes(run.front).shape == (2, len(run.space.n_values))


def test_folder_without_a_finished_run_says_how_to_go_on(tmp_path):
    with pytest.raises(SearchError, match=r"no finished run: it has no run.json; .*--resume"):
        NatRun.load(tmp_path)


def test_other_weights_are_refused(run):
    path = run.folder / WEIGHTS_FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(SearchError, match="not the file that the run wrote"):
        NatRun.load(run.folder)
    path.unlink()
    with pytest.raises(SearchError, match=r"weights.safetensors is missing"):
        NatRun.load(run.folder)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format": "encas.front"}, "format must be 'encas.nat_run'"),
        ({"version": 2}, "version must be 1"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"front": ["0-0"]}, "front: 0-0 is not in the archive"),
        ({"archive": [{"genome": "9-9", "error": 0, "macs": 1}]}, r"archive: expected \d+ genes"),
        ({"weights": {"file": "../w", "sha256": "0" * 64, "bytes": 1}}, "inside the folder"),
        ({"supernet": {"name": "x", "size": 8, "n_channels": 1, "n_classes": 2}}, "must be one of"),
        ({"history": [{"round": 0}]}, r"history\[0\] lacks the key 'n_subnets'"),
    ],
)
def test_foreign_or_damaged_file_is_refused(run, change, match):
    path = run.folder / RUN_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SearchError, match=match):
        NatRun.load(run.folder)


def test_subnet_that_is_twice_in_the_archive_is_refused(run):
    write_run(replace(run, archive=(*run.archive, run.archive[0])))
    with pytest.raises(SearchError, match="a subnet is in it twice"):
        NatRun.load(run.folder)


def test_a_run_says_what_its_cost_is(run):
    path = run.folder / RUN_FILE
    assert run.cost == json.loads(path.read_text())["cost"] == "macs"
    timed = replace(run, archive=tuple(replace(s, latency_ms=2.0) for s in run.archive))
    write_run(timed)
    assert json.loads(path.read_text())["cost"] == "latency_ms"
    assert NatRun.load(run.folder).cost == "latency_ms"
    assert NatRun.load(run.folder).points[:, 1].tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("stated", "times", "match"),
    [
        ("latency_ms", [2.0, None], "cost is latency_ms, but 1 of 2 subnets have a latency_ms"),
        ("latency_ms", [None, None], "cost is latency_ms, but 0 of 2"),
        ("macs", [None, 2.0], "cost is macs, but 1 of 2"),
        ("params", [None, None], "cost must be"),
    ],
)
def test_costs_of_two_units_in_one_run_are_refused(run, stated, times, match):
    path = run.folder / RUN_FILE
    content = json.loads(path.read_text()) | {"cost": stated}
    for subnet, ms in zip(content["archive"], times, strict=True):
        subnet["latency_ms"] = ms
    path.write_text(json.dumps(content))
    with pytest.raises(SearchError, match=match):
        NatRun.load(run.folder)


def test_weights_of_another_supernet_are_refused(run):
    other = make_supernet("small-mobile", n_classes=2, size=8, n_channels=1)
    write_run(replace(run, weights=write_weights(run.folder, other.module.state_dict())))
    with pytest.raises(SourceError, match="is not of small-fused"):
        NatRun.load(run.folder).open_supernet()


def test_calibration_samples_are_those_of_the_run(run, data, tmp_path):
    evaluator = evaluator_of(run)
    x = torch.tensor(np.load(tmp_path / "data.npz")["x"])
    assert torch.equal(evaluator.calibration.x, x[[3, 1, 4, 5]])
    np.savez(tmp_path / "other.npz", x=1 - x.numpy(), label=np.arange(12) % 2)
    with pytest.raises(DataError, match="not the data that .* was trained on"):
        evaluator_of(run, data=f"npz:{tmp_path / 'other.npz'}")
    np.savez(tmp_path / "short.npz", x=x.numpy()[:4], label=np.arange(4) % 2)
    with pytest.raises(DataError, match="expected at least 6 samples, got 4"):
        evaluator_of(run, data=f"npz:{tmp_path / 'short.npz'}")


def test_search_samples_are_those_of_the_run(run):
    assert search_source(run).label.tolist() == [0, 1]
    whole = replace(run, data=replace(run.data, search_rows=None))
    assert search_source(whole).n_samples == 12
    other = replace(run, data=replace(run.data, search_rows=(12,)))
    with pytest.raises(DataError, match="expected at least 13 samples, got 12"):
        search_source(other)
