from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from joint_loop import ORIGINS, SETTINGS, run_jointly

from encas import work as driving
from encas.errors import SearchError, SourceError
from encas.nat import run_folder as folders
from encas.nat.joint_runs import JOINT_FILE, JointRun
from encas.nat.nat_runs import NatRun
from encas.nat.nat_session import Origin
from encas.nat.pooling import chosen_subnets
from encas.nat.run_folder import CHECKPOINT_FILE


def files_of(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_run_tells_how_far_it_is_and_how_each_round_went(joint_run, joint_news):
    assert joint_run.history[-1].round == 1
    assert joint_news[-1].is_over
    assert {each.what for each in joint_news} == {"adapting together"}
    assert all(each.done <= each.total for each in joint_news)
    assert joint_news[-1].news.startswith("round 1: 10 cascades")


def test_members_are_runs_with_all_that_the_front_uses(joint_run):
    used = {name for scored in joint_run.front for name in scored.cascade.members}
    names = {s.name for s in chosen_subnets(joint_run.members)}
    assert used <= names
    for member in joint_run.members:
        assert NatRun.load(member.folder).weights == member.weights
        costs = [member.scored(genome).macs for genome in member.front]
        assert costs == sorted(costs)
    assert not (joint_run.folder / CHECKPOINT_FILE).exists()
    assert JointRun.load(joint_run.folder) == joint_run


class KilledError(Exception):
    pass


def killing_at(n):
    """Kills a run when it tells of its progress for the n-th time: after n - 1 steps."""
    told = []

    def kill(progress):
        told.append(progress)
        if len(told) == n:
            raise KilledError

    return kill


def test_a_run_killed_again_and_again_goes_on_to_the_same_bytes(
    joint_run, halves, tmp_path, monkeypatch
):
    """In the warm-up of either supernetwork, in both rounds' training and evaluations."""
    monkeypatch.setattr(driving, "PROGRESS_EVERY_S", 0.0)
    monkeypatch.setattr(folders, "SAVE_EVERY_S", 0.0)
    out = tmp_path / "run"
    for n in (2, 3, 3, 3, 6, 11, 4, 5):
        with pytest.raises(KilledError):
            run_jointly(halves, out, hear=killing_at(n), resume=out.exists())
        assert not (out / JOINT_FILE).exists()
    run_jointly(halves, out, resume=True)
    assert files_of(out) == files_of(joint_run.folder)


def test_weights_that_are_not_trained_stay_and_cascades_are_added(halves, tmp_path, joint_run):
    frozen = replace(SETTINGS, epochs=0, warm_up_epochs=0, n_new=4)
    origins = [
        Origin(supernet=member.supernet, checkpoint=member.folder / member.weights.file)
        for member in joint_run.members
    ]
    made = run_jointly(halves, tmp_path / "run", origins=origins, settings=frozen)
    assert [each.n_subnets for each in made.history] == [10, 14]
    assert all(each.loss is None for each in made.history)
    weights = {member.supernet: member.weights.sha256 for member in made.members}
    before = {member.supernet: member.weights.sha256 for member in joint_run.members}
    assert all(before[name] == sha256 for name, sha256 in weights.items())


def test_taken_folders_and_wrong_supernetworks_are_refused(joint_run, halves, tmp_path):
    with pytest.raises(SearchError, match=r"there is a run already \(joint.json\)"):
        run_jointly(halves, joint_run.folder)
    assert run_jointly(halves, joint_run.folder, resume=True) == joint_run
    with pytest.raises(SearchError, match="holds a finished run with other samples, seed"):
        run_jointly(halves, joint_run.folder, resume=True, seed=1)
    with pytest.raises(SearchError, match="small-fused is given twice"):
        run_jointly(halves, tmp_path / "run", origins=[ORIGINS[0], ORIGINS[0]])
    with pytest.raises(SourceError, match="needs trained weights"):
        run_jointly(halves, tmp_path / "run", origins=[ORIGINS[0], Origin(supernet="alphanet")])
    assert not (tmp_path / "run").exists()
