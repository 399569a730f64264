import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from encas import work as driving
from encas.cascade import decide
from encas.errors import PoolError, SearchError, SourceError
from encas.fronts.front import Front
from encas.nat import joint_transfer as joint
from encas.nat import run_folder as folders
from encas.nat.joint_runs import JOINT_FILE, JointRun, front_of
from encas.nat.joint_session import joint_transfer
from encas.nat.learning import Training
from encas.nat.nat_runs import NatRun
from encas.nat.nat_session import Launch, Origin
from encas.nat.nat_settings import NatSettings
from encas.nat.pooling import chosen_subnets, load_runs, samples_of, write_subnets
from encas.nat.run_folder import CHECKPOINT_FILE
from encas.nat.task import DataPlan
from encas.pools.building.build_pool import build_pool
from encas.pools.pool import Pool
from encas.progress import Progress, unheard

TRAINING = Training(batch_size=24, learning_rate=0.05)
SETTINGS = NatSettings(
    iterations=1,
    archive_size=10,
    evaluations=60,
    epochs=1,
    warm_up_epochs=1,
    calibration_batches=2,
    calibration_batch_size=16,
    warm_up=TRAINING,
    training=TRAINING,
)
ORIGINS = (Origin(supernet="small-fused"), Origin(supernet="small-mobile"))


def run(data, out, *, origins=ORIGINS, settings=SETTINGS, hear=unheard, **launch) -> JointRun:
    plan = DataPlan(train=data)
    return joint_transfer(origins, plan, settings, out, launch=Launch(**launch), on_progress=hear)


@pytest.fixture(scope="module")
def heard() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def done(halves, tmp_path_factory, heard) -> JointRun:
    return run(halves, tmp_path_factory.mktemp("joint") / "run", hear=heard.append)


@pytest.fixture(scope="module")
def pool(done) -> Pool:
    runs = load_runs([done.folder])
    subnets, samples = chosen_subnets(runs), samples_of(runs, None)
    write_subnets(subnets)
    requests = [subnet.request for subnet in subnets]
    out = done.folder.parent / "pool"
    build_pool(requests, data=samples.data, rows=samples.rows, out=out)
    return Pool.load(out)


def files_of(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_what_a_run_measured_is_what_the_exit_rule_says_of_its_pool(done, pool, heard):
    """The pool comes from stored weights, calibrated anew; the run from its weights in memory."""
    assert heard[-1].is_over
    assert all(each.done <= each.total for each in heard)
    assert heard[-1].news.startswith("round 1: 10 cascades")
    for scored in done.front:
        outputs = [pool.probabilities(pool.index(name)) for name in scored.cascade.members]
        decision = decide(
            scored.cascade, lambda j, rows, o=outputs: o[j][rows], n_samples=pool.n_samples
        )
        assert (decision.label != pool.label).mean() == scored.error
    for scored, again in zip(done.front, front_of(done, pool).cascades, strict=True):
        assert again.cascade == scored.cascade
        assert again.error == scored.error
        assert again.cost == pytest.approx(scored.cost, rel=1e-12)
        assert again.reach == pytest.approx(scored.reach)
        assert min(scored.reach) > 0


def test_a_front_is_a_front_file(done, pool, tmp_path):
    front_of(done, pool).save(tmp_path / "front.json")
    loaded = Front.load(tmp_path / "front.json")
    assert loaded.search["algorithm"] == "encas-joint"
    assert (np.diff(loaded.points[:, 1]) > 0).all()
    assert (np.diff(loaded.points[:, 0]) < 0).all()
    small = Pool.of(outputs=[pool.outputs[0]], label=pool.label, models=pool.models[:1], name="p")
    with pytest.raises(PoolError, match="lacks [0-9]+ members of the cascades .*encas nat pool"):
        front_of(done, small)


def test_members_are_runs_with_all_that_the_front_uses(done):
    again = JointRun.load(done.folder)
    assert again == done
    used = {name for scored in done.front for name in scored.cascade.members}
    names = {s.name for s in chosen_subnets(done.members)}
    assert used <= names
    for member in done.members:
        assert NatRun.load(member.folder).weights == member.weights
        costs = [member.scored(genome).macs for genome in member.front]
        assert costs == sorted(costs)
    assert not (done.folder / CHECKPOINT_FILE).exists()


class KilledError(Exception):
    pass


@pytest.mark.parametrize("n", [2, 3, 4, 9, 16, 18, 21])
def test_a_killed_run_goes_on_to_the_same_bytes(done, halves, tmp_path, monkeypatch, n):
    monkeypatch.setattr(driving, "PROGRESS_EVERY_S", 0.0)
    monkeypatch.setattr(folders, "SAVE_EVERY_S", 0.0)
    told = []

    def killing(progress):
        told.append(progress)
        if len(told) == n:
            raise KilledError

    with pytest.raises(KilledError):
        run(halves, tmp_path / "run", hear=killing)
    run(halves, tmp_path / "run", resume=True)
    expected = files_of(done.folder)
    expected = {name: b for name, b in expected.items() if "subnets" not in name}
    assert files_of(tmp_path / "run") == expected


def test_weights_that_are_not_trained_stay_and_cascades_are_added(halves, tmp_path, done):
    frozen = replace(SETTINGS, epochs=0, warm_up_epochs=0, n_new=4)
    origins = [
        Origin(supernet=member.supernet, checkpoint=member.folder / member.weights.file)
        for member in done.members
    ]
    made = run(halves, tmp_path / "run", origins=origins, settings=frozen)
    assert [each.n_subnets for each in made.history] == [10, 14]
    assert all(each.loss is None for each in made.history)
    weights = {member.supernet: member.weights.sha256 for member in made.members}
    before = {member.supernet: member.weights.sha256 for member in done.members}
    assert all(before[name] == sha256 for name, sha256 in weights.items())


def test_kept_answers_change_nothing(done, halves, tmp_path, monkeypatch):
    monkeypatch.setattr(joint, "CACHE_BYTES", 0)
    made = run(halves, tmp_path / "run")
    assert made.front == done.front


def test_taken_folders_and_wrong_supernetworks_are_refused(done, halves, tmp_path):
    with pytest.raises(SearchError, match=r"there is a run already \(joint.json\)"):
        run(halves, done.folder)
    assert run(halves, done.folder, resume=True) == done
    with pytest.raises(SearchError, match="holds a finished run with other samples, seed"):
        run(halves, done.folder, resume=True, seed=1)
    with pytest.raises(SearchError, match="small-fused is given twice"):
        run(halves, tmp_path / "run", origins=[ORIGINS[0], ORIGINS[0]])
    with pytest.raises(SourceError, match="needs trained weights"):
        run(halves, tmp_path / "run", origins=[ORIGINS[0], Origin(supernet="alphanet")])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda c: c.pop("front"), "lacks the key 'front'"),
        (lambda c: c.update(members=["../run"]), "is no name of a folder"),
        (lambda c: c.update(members=[".."]), "is no name of a folder"),
        (lambda c: c["members"].pop(), "is in no archive of its members"),
        (lambda c: c["front"][0].update(thresholds=[0.5] * 5), "need 0 thresholds|need 1 thres"),
    ],
)
def test_faults_of_a_file_are_told(done, tmp_path, change, fault):
    content = json.loads((done.folder / JOINT_FILE).read_text())
    change(content)
    (tmp_path / "members").symlink_to(done.folder / "members")
    (tmp_path / JOINT_FILE).write_text(json.dumps(content))
    with pytest.raises(SearchError, match=fault):
        JointRun.load(tmp_path)


def test_a_folder_without_a_run_says_how_to_go_on(tmp_path):
    with pytest.raises(SearchError, match="no finished run: it has no joint.json"):
        JointRun.load(tmp_path)
