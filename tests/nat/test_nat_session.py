import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

import torch

from encas import work as driving
from encas.errors import SearchError, SourceError
from encas.nat import run_folder as folders
from encas.nat.learning import Training
from encas.nat.nat_runs import RUN_FILE, NatRun
from encas.nat.nat_session import Launch, Origin, transfer
from encas.nat.nat_settings import PRESETS, NatSettings
from encas.nat.pretrained import make_supernet
from encas.nat.run_folder import CHECKPOINT_FILE
from encas.nat.sample_table import table_of
from encas.nat.subnet_evaluating import error_of, evaluator_of, search_source
from encas.nat.subnets import genome_of
from encas.nat.task import DataPlan
from encas.progress import unheard

TRAINING = Training(batch_size=24, learning_rate=0.05)
SETTINGS = NatSettings(
    iterations=1,
    archive_size=8,
    evaluations=100,
    epochs=1,
    warm_up_epochs=1,
    calibration_batches=2,
    calibration_batch_size=16,
    warm_up=TRAINING,
    training=TRAINING,
)
ORIGIN = Origin(supernet="small-fused")


def run(data, out, *, origin=ORIGIN, settings=SETTINGS, on_progress=unheard, plan=None, **launch):
    plan = plan or DataPlan(train=data)
    return transfer(origin, plan, settings, out, launch=Launch(**launch), on_progress=on_progress)


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def whole(halves, tmp_path_factory) -> NatRun:
    """A run that never stopped, to be left as it is."""
    return run(halves, tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture
def every_step(monkeypatch):
    """All steps are told and stored."""
    monkeypatch.setattr(driving, "PROGRESS_EVERY_S", 0.0)
    monkeypatch.setattr(folders, "SAVE_EVERY_S", 0.0)


def calling_at(n, event):
    """Calls `event` when told for the n-th time: after n - 1 steps."""
    heard = []

    def on_progress(progress):
        heard.append(progress)
        if len(heard) == n:
            event()

    return on_progress


def killing_at(n):
    def kill():
        raise KilledError

    return calling_at(n, kill)


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.usefixtures("every_step")
def test_run_that_was_killed_leaves_the_same_bytes(whole, halves, tmp_path):
    for n in (1, 3, 7, 13):
        with pytest.raises(KilledError):
            run(halves, tmp_path / "killed", on_progress=killing_at(n), resume=n > 1)
        assert (tmp_path / "killed" / RUN_FILE).exists() is False
    resumed = run(halves, tmp_path / "killed", resume=True)
    assert files_of(tmp_path / "killed") == files_of(whole.folder)
    assert set(files_of(whole.folder)) == {RUN_FILE, "weights.safetensors"}
    assert resumed == replace(whole, folder=tmp_path / "killed")
    assert NatRun.load(tmp_path / "killed") == resumed


def test_ctrl_c_stores_what_is_done_and_says_how_to_go_on(
    whole, halves, tmp_path, monkeypatch, ctrl_c
):
    monkeypatch.setattr(driving, "PROGRESS_EVERY_S", 0.0)
    with pytest.raises(KeyboardInterrupt, match="holds what was done: go on with --resume"):
        run(halves, tmp_path / "run", on_progress=calling_at(6, ctrl_c))
    assert (tmp_path / "run" / CHECKPOINT_FILE).is_file()
    heard = []
    resumed = run(halves, tmp_path / "run", resume=True, on_progress=heard.append)
    assert heard[0].done > 0
    assert files_of(tmp_path / "run") == files_of(whole.folder)
    assert resumed == replace(whole, folder=tmp_path / "run")


def test_errors_come_again_from_what_the_run_left(whole):
    supernet, evaluator = whole.open_supernet(), evaluator_of(whole)
    table = table_of(search_source(whole), whole.preprocessing)
    for text in whole.front:
        network = evaluator.calibrated(supernet, genome_of(text, whole.space))
        error = error_of(evaluator.logits(network, table), table)
        assert error == whole.scored(text).error


def test_finished_run_is_returned_as_it_is(whole, halves):
    again = run(halves, whole.folder, resume=True, on_progress=killing_at(1))
    assert again == whole
    with pytest.raises(SearchError, match=r"there is a run already \(run.json\).*--resume"):
        run(halves, whole.folder)


def test_run_of_another_seed_or_other_settings_is_refused(whole, halves):
    with pytest.raises(SearchError, match="a finished run with other samples, seed"):
        run(
            halves,
            whole.folder,
            resume=True,
            seed=1,
            plan=DataPlan(train=halves, search=halves),
        )
    other = replace(SETTINGS, evaluations=99)
    with pytest.raises(SearchError, match="a finished run with other evaluations"):
        run(halves, whole.folder, resume=True, settings=other)


@pytest.mark.usefixtures("every_step")
def test_unfinished_run_is_neither_overwritten_nor_mixed(halves, tmp_path):
    with pytest.raises(KilledError):
        run(halves, tmp_path / "run", on_progress=killing_at(3))
    with pytest.raises(SearchError, match=rf"there is a run already \({CHECKPOINT_FILE}\)"):
        run(halves, tmp_path / "run")
    with pytest.raises(SearchError, match="a run with other settings"):
        run(halves, tmp_path / "run", resume=True, seed=1)


def test_checkpoint_gives_the_first_weights(halves, tmp_path):
    weights = make_supernet("small-fused", n_classes=2, size=8, n_channels=1, seed=9)
    torch.save(weights.module.state_dict(), tmp_path / "w.pt")
    settings = replace(SETTINGS, n_new=2, epochs=0, warm_up_epochs=0)
    origin = Origin(supernet="small-fused", checkpoint=tmp_path / "w.pt")
    found = run(halves, tmp_path / "run", origin=origin, settings=settings)
    kept = found.open_supernet().module.state_dict()
    assert all(torch.equal(kept[k], v) for k, v in weights.module.state_dict().items())


def test_imagenet_preset_keeps_only_the_samples_that_calibrate(halves, tmp_path):
    settings = replace(PRESETS["imagenet"], archive_size=8, n_new=2, iterations=1, evaluations=50)
    settings = replace(settings, calibration_batches=2, calibration_batch_size=8)
    weights = make_supernet("small-fused", n_classes=2, size=8, n_channels=1)
    torch.save(weights.module.state_dict(), tmp_path / "w.pt")
    origin = Origin(supernet="small-fused", checkpoint=tmp_path / "w.pt")
    found = run(halves, tmp_path / "run", origin=origin, settings=settings)
    assert found.data.n_train == 16
    assert len(found.archive) == 10


@pytest.mark.parametrize(
    ("origin", "match"),
    [
        (Origin(supernet="nope"), "must be one of ofa-mbv3-w1.0, .*got 'nope'"),
        (Origin(supernet="alphanet"), "needs trained weights; its authors publish alphanet"),
    ],
)
def test_supernet_without_weights_says_where_they_are(halves, tmp_path, origin, match):
    with pytest.raises((SearchError, SourceError), match=match):
        run(halves, tmp_path / "run", origin=origin)


def test_missing_and_foreign_checkpoints_are_refused(halves, tmp_path):
    origin = Origin(supernet="ofa-mbv3-w1.0", checkpoint=tmp_path / "absent")
    with pytest.raises(SourceError, match=r"no such file; its authors publish ofa_mbv3.*https"):
        run(halves, tmp_path / "run", origin=origin)
    other = make_supernet("small-mobile", n_classes=2, size=8, n_channels=1)
    torch.save(other.module.state_dict(), tmp_path / "w.pt")
    origin = Origin(supernet="small-fused", checkpoint=tmp_path / "w.pt")
    with pytest.raises(SourceError, match="is not of small-fused"):
        run(halves, tmp_path / "run", origin=origin)
    with pytest.raises(SourceError, match="random weights: give --warm-up-epochs"):
        run(halves, tmp_path / "run", settings=replace(SETTINGS, warm_up_epochs=0))
    assert not (tmp_path / "run").exists()


def test_settings_are_stored_as_json_gives_them_back(whole):
    assert whole.settings == json.loads((whole.folder / RUN_FILE).read_text())["settings"]
    assert whole.settings["weights"] == {"small-fused": None}
