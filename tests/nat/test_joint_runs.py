import json
import shutil

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from encas.cascade import Cascade, decide
from encas.errors import PoolError, SearchError
from encas.fronts.front import Front
from encas.fronts.scored_cascade import ScoredCascade
from encas.nat.joint_runs import JOINT_FILE, JointRun, best, front_of, member_folder, names_of
from encas.nat.pooling import chosen_subnets, load_runs, samples_of, write_subnets
from encas.pools.building.build_pool import build_pool
from encas.pools.pool import Pool


@pytest.fixture(scope="module")
def pool(joint_run, tmp_path_factory) -> Pool:
    """The pool of the run: of a copy, so that the run keeps its files."""
    folder = tmp_path_factory.mktemp("pools")
    shutil.copytree(joint_run.folder, folder / "run")
    runs = load_runs([folder / "run"])
    subnets, samples = chosen_subnets(runs), samples_of(runs, None)
    write_subnets(subnets)
    out = folder / "pool"
    requests = [subnet.request for subnet in subnets]
    build_pool(requests, data=samples.data, rows=samples.rows, out=out, workers=1)
    return Pool.load(out)


def scored(name, error, cost) -> ScoredCascade:
    cascade = Cascade(members=(name,), thresholds=())
    return ScoredCascade(cascade=cascade, error=error, cost=cost, reach=(1.0,))


def test_what_a_run_measured_is_what_the_exit_rule_says_of_its_pool(joint_run, pool):
    """The pool comes from stored weights, calibrated anew; the run from its weights in memory."""
    for scored in joint_run.front:
        outputs = [pool.probabilities(pool.index(name)) for name in scored.cascade.members]
        decision = decide(
            scored.cascade, lambda j, rows, o=outputs: o[j][rows], n_samples=pool.n_samples
        )
        assert (decision.label != pool.label).mean() == scored.error
    for scored, again in zip(joint_run.front, front_of(joint_run, pool).cascades, strict=True):
        assert again.cascade == scored.cascade
        assert again.error == scored.error
        assert again.cost == pytest.approx(scored.cost, rel=1e-12)
        assert again.reach == pytest.approx(scored.reach)
        assert min(scored.reach) > 0


def test_a_front_is_a_front_file(joint_run, pool, tmp_path):
    front_of(joint_run, pool).save(tmp_path / "front.json")
    loaded = Front.load(tmp_path / "front.json")
    assert (loaded.search["algorithm"], loaded.search["seed"]) == ("encas-joint", joint_run.seed)
    assert loaded.objectives == ("error", "macs")
    assert (np.diff(loaded.points[:, 1]) > 0).all()
    assert (np.diff(loaded.points[:, 0]) < 0).all()


def test_a_pool_that_lacks_members_is_told_how_to_make_one_that_has_them(joint_run, tiny_pool):
    names = {name for each in joint_run.front for name in each.cascade.members}
    fault = rf"lacks {len(names)} members of .* \(first: {min(names)}\); `encas nat pool"
    with pytest.raises(PoolError, match=fault):
        front_of(joint_run, tiny_pool)


def test_best_are_not_dominated_and_the_cheapest_first():
    given = [scored("d", 0.1, 9), scored("a", 0.5, 1), scored("b", 0.5, 2), scored("c", 0.3, 2)]
    assert [each.cascade.members[0] for each in best(given)] == ["a", "c", "d"]


def test_names_are_those_that_a_pool_of_the_run_has(joint_run):
    for member in joint_run.members:
        expected = {subnet.name for subnet in chosen_subnets([member], archive=True)}
        assert set(names_of(member)) == expected


@pytest.mark.parametrize("name", ["../run", "..", ".", "a/b", "/a"])
def test_member_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(SearchError, match="is no name of a folder"):
        member_folder(tmp_path, name)
    assert member_folder(tmp_path, "small-fused") == tmp_path / "members" / "small-fused"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda c: c.pop("front"), "lacks the key 'front'"),
        (lambda c: c.update(members=["../run"]), "is no name of a folder"),
        (lambda c: c["members"].pop(), "is in no archive of its members"),
        (lambda c: c["front"][0].update(thresholds=[0.5] * 5), "need 0 thresholds|need 1 thres"),
    ],
)
def test_faults_of_a_file_are_told(joint_run, tmp_path, change, fault):
    content = json.loads((joint_run.folder / JOINT_FILE).read_text())
    change(content)
    (tmp_path / "members").symlink_to(joint_run.folder / "members")
    (tmp_path / JOINT_FILE).write_text(json.dumps(content))
    with pytest.raises(SearchError, match=fault):
        JointRun.load(tmp_path)


def test_a_folder_without_a_run_says_how_to_go_on(tmp_path):
    with pytest.raises(SearchError, match="no finished run: it has no joint.json"):
        JointRun.load(tmp_path)
