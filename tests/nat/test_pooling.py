from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from encas.errors import DataError, SearchError
from encas.nat import pooling
from encas.nat.learning import Training
from encas.nat.nat_runs import NatRun, write_run
from encas.nat.nat_session import Launch, Origin, transfer
from encas.nat.nat_settings import NatSettings
from encas.nat.pooling import (
    chosen_subnets,
    distinct_subnets,
    lacking,
    load_runs,
    samples_of,
    write_subnets,
)
from encas.nat.sample_table import table_of
from encas.nat.subnet_evaluating import error_of, evaluator_of, search_source
from encas.nat.task import DataPlan
from encas.pools.building.build_pool import build_pool
from encas.pools.pool import Pool

TRAINING = Training(batch_size=24, learning_rate=0.05)
SETTINGS = NatSettings(
    iterations=0,
    archive_size=8,
    epochs=0,
    n_new=1,
    warm_up_epochs=1,
    calibration_batches=2,
    calibration_batch_size=16,
    warm_up=TRAINING,
    training=TRAINING,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(halves, folder) -> NatRun:
    origin = Origin(supernet="small-fused")
    return transfer(origin, DataPlan(train=halves), SETTINGS, folder / "run", launch=Launch())


def other(run, name, **changes) -> NatRun:
    """The run once more in a folder of its own."""
    out = run.folder.parent / name
    out.mkdir()
    (out / run.weights.file).write_bytes((run.folder / run.weights.file).read_bytes())
    changed = replace(run, folder=out, **changes)
    write_run(changed)
    return NatRun.load(out)


def pool_of(runs, out, **options) -> Pool:
    subnets, samples = chosen_subnets(runs, **options), samples_of(runs, None)
    write_subnets(lacking(subnets))
    requests = [subnet.request for subnet in subnets]
    build_pool(requests, data=samples.data, rows=samples.rows, out=out, workers=1)
    return Pool.load(out)


def test_a_pool_of_a_run_says_what_the_run_measured(run, tmp_path):
    pool = pool_of([run], tmp_path / "pool")
    table = table_of(search_source(run), None)
    evaluator, supernet = evaluator_of(run), run.open_supernet()
    genomes = run.genomes(run.front)
    for model, outputs, text, genome in zip(
        pool.models, pool.outputs, run.front, genomes, strict=True
    ):
        expected = evaluator.logits(evaluator.calibrated(supernet, genome), table)
        np.testing.assert_allclose(np.asarray(outputs), expected, atol=1e-5)
        scored = run.scored(text)
        assert model.name == f"small-fused_{text}"
        assert model.costs["macs"] == scored.macs
        assert error_of(np.asarray(outputs), table) == scored.error


def test_subnets_come_by_the_cost_that_their_run_searched_for(run):
    """Here the subnets with the most MACs are the quickest."""
    archive = tuple(replace(subnet, latency_ms=1e9 / subnet.macs) for subnet in run.archive)
    timed = other(run, "timed", archive=archive)
    by_macs, by_ms = (chosen_subnets([one], archive=True) for one in (run, timed))
    assert [subnet.genome for subnet in by_ms] == [subnet.genome for subnet in by_macs][::-1]
    (quickest,) = chosen_subnets([timed], archive=True, limit=1)
    assert quickest.genome == by_macs[-1].genome


def test_weights_are_written_once_and_only_when_complete(run, tmp_path, monkeypatch):
    subnets = chosen_subnets([other(run, "once")])
    assert lacking(subnets) == subnets
    told = []
    write_subnets(subnets[:1], on_progress=told.append)
    assert lacking(subnets) == subnets[1:]

    def killed(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(pooling, "write_subnet", killed)
    with pytest.raises(KeyboardInterrupt):
        write_subnets(subnets[1:], on_progress=told.append)
    assert lacking(subnets) == subnets[1:]
    assert [(each.done, each.total) for each in told[:2]] == [(0, 1), (1, 1)]
    assert not told[-1].is_over


def test_the_sources_stay_good_when_pool_and_run_move_together(run, tmp_path):
    moved = other(run, "moving")
    pool_of([moved], moved.folder.parent / "moving_pool", limit=1)
    target = tmp_path / "elsewhere"
    target.mkdir()
    moved.folder.rename(target / "moving")
    (moved.folder.parent / "moving_pool").rename(target / "moving_pool")
    pool = Pool.load(target / "moving_pool")
    from encas.pools.models.specs import source_model  # noqa: PLC0415

    assert source_model(pool.models[0].source, base=pool.path).build is not None


def test_which_subnets(run):
    assert [s.genome for s in chosen_subnets([run])] == list(run.front)
    everyone = chosen_subnets([run], archive=True)
    costs = [run.scored(subnet.genome).macs for subnet in everyone]
    assert len(everyone) == len(run.archive)
    assert costs == sorted(costs)
    three = chosen_subnets([run], archive=True, limit=3)
    assert [s.genome for s in three] == [everyone[i].genome for i in (0, 4, 7)]
    assert chosen_subnets([run], archive=True, limit=99) == everyone


def test_runs_of_one_supernetwork_name_their_subnets_apart_and_equal_ones_come_once(run):
    again = other(run, "a b_c")
    subnets = chosen_subnets([run, again])
    assert {s.name.rpartition("_small-fused_")[0] for s in subnets} == {"run", "a-b-c"}
    assert distinct_subnets(subnets) == subnets[: len(run.front)]
    calibration = replace(run.calibration, sha256="0" * 64)
    unlike = replace(again, calibration=calibration)
    assert len(distinct_subnets(chosen_subnets([run, unlike]))) == len(subnets)
    inner = replace(again, folder=again.folder / "run")
    names = {s.name.rpartition("_small-fused_")[0] for s in chosen_subnets([run, inner])}
    assert names == {"run-1", "run-2"}


def test_runs_that_cannot_be_in_one_pool(run):
    with pytest.raises(SearchError, match="is given twice"):
        load_runs([run.folder, run.folder / ".." / "run"])
    classes = other(run, "classes", classes=("x", "y"))
    named = other(run, "named", classes=("a", "b"))
    assert load_runs([run.folder, classes.folder])
    with pytest.raises(SearchError, match="have other classes: only the former has 2"):
        load_runs([named.folder, classes.folder])
    parts = replace(run.data, search_rows=run.data.search_rows[:-1])
    elsewhere = other(run, "elsewhere", data=parts)
    with pytest.raises(DataError, match="measured its errors on other samples .*: give --data"):
        samples_of([run, elsewhere], None)


def test_samples_that_a_run_was_trained_on_are_refused(run, halves, tmp_path):
    with pytest.raises(DataError, match="77 of 96 samples are among those that .* trained on"):
        samples_of([run], halves)
    content = np.load(halves.partition(":")[2])
    rows = list(run.data.search_rows)
    np.savez(tmp_path / "own.npz", x=content["x"][rows], label=content["label"][rows])
    own = f"npz:{tmp_path / 'own.npz'}"
    assert samples_of([run], own).source.n_samples == len(rows)
    with pytest.raises(DataError, match="77 of 96 samples"):
        samples_of([run], halves, train=halves)


def test_where_no_weights_are_trained_only_what_calibrates_is_refused(run, halves, tmp_path):
    frozen = other(run, "frozen", settings=run.settings | {"warm_up_epochs": 0})
    n = len(run.calibration.rows)
    with pytest.raises(DataError, match=f"{n} of 96 samples"):
        samples_of([frozen], halves)
    np.savez(tmp_path / "few.npz", x=np.zeros((3, 1, 8, 8), np.float32), label=[0, 1, 0])
    few = f"npz:{tmp_path / 'few.npz'}"
    with pytest.raises(DataError, match=r"expected at least \d+ samples: not the data of"):
        samples_of([frozen], few, train=few)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"x": np.zeros((4, 1, 6, 6), np.float32), "label": [0, 1, 0, 1]}, r"expected samples \["),
        ({"x": np.zeros((4, 1, 8, 8), np.float32), "label": [0, 1, 0, 2]}, "expected 2 classes"),
        ({"x": np.zeros((4, 8, 8, 3), np.uint8), "label": [0, 1, 0, 1]}, "ready, as .* got images"),
    ],
)
def test_data_of_another_kind_are_refused(run, tmp_path, content, fault):
    np.savez(tmp_path / "data.npz", **content)
    with pytest.raises(DataError, match=fault):
        samples_of([run], f"npz:{tmp_path / 'data.npz'}")


def test_moved_training_data_are_named_or_told(run, halves, tmp_path):
    gone = other(run, "gone", data=replace(run.data, train=f"npz:{tmp_path / 'gone.npz'}"))
    with pytest.raises(DataError, match="gone"):
        write_subnets(chosen_subnets([gone]))
    write_subnets(chosen_subnets([gone]), train=halves)
    assert not lacking(chosen_subnets([gone]))
    content = dict(np.load(halves.partition(":")[2]))
    np.savez(tmp_path / "unlike.npz", x=content["x"] + 1, label=content["label"])
    with pytest.raises(DataError, match="not the data that .* was trained on"):
        write_subnets(chosen_subnets([gone]), train=f"npz:{tmp_path / 'unlike.npz'}")
