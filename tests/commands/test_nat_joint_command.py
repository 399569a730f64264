"""`encas nat joint` and `encas nat front`."""

from pathlib import Path

import click
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymoo")

from encas.commands.nat_joint_command import origins_of
from encas.fronts.front import Front
from encas.nat.joint_runs import JointRun
from encas.nat.nat_session import Origin

NAMES = ("small-fused", "small-mobile")
BOTH = tuple(word for name in NAMES for word in ("--supernet", name))


def test_origins_are_the_supernetworks_in_order_with_their_weights():
    assert origins_of(NAMES, ("small-mobile=a=b.pt",)) == [
        Origin(supernet="small-fused"),
        Origin(supernet="small-mobile", checkpoint=Path("a=b.pt")),
    ]


@pytest.mark.parametrize(
    "checkpoints",
    [("w.pt",), ("small-fused=",), ("alphanet=w.pt",), ("small-fused=a", "small-fused=b")],
)
def test_weights_of_none_of_them_or_twice_are_wrong_usage(checkpoints):
    fault = f"NAME=FILE for one of small-fused, small-mobile, each once; got '{checkpoints[-1]}'"
    with pytest.raises(click.UsageError, match=fault):
        origins_of(NAMES, checkpoints)


def test_joint_run_becomes_a_pool_and_a_front(nat_loop, small_run, tmp_path, encas):
    run, pool, front = (tmp_path / name for name in ("run", "pool", "front.json"))
    call = ("nat", "joint", *BOTH, "--data", nat_loop.data, "--out", run, *small_run)
    made = encas(*call, "--iterations", 0, "--json")
    assert made.code == 0, made.err
    assert f"`encas nat pool {run} --out POOL` makes a pool of it" in made.err
    loaded = JointRun.load(run)
    assert made.json["folder"] == str(run)
    assert made.json["members"] == [member.supernet for member in loaded.members]
    assert made.json["n_search"] == 30
    assert made.json["hypervolume"] == loaded.history[-1].hypervolume
    assert [(one["error"], one["macs"]) for one in made.json["front"]] == [
        (scored.error, scored.cost) for scored in loaded.front
    ]
    shown = encas(*call, "--iterations", 0, "--resume")
    assert f"{loaded.front[0].cost:,.0f}" in shown.out
    assert encas("nat", "pool", run, "--out", pool, "--workers", 1).code == 0
    written = encas("nat", "front", run, pool, "--out", front, "--json")
    found = Front.load(front)
    assert written.json == {"path": str(front), "n_cascades": len(found)}
    assert {one.cascade for one in found} <= {scored.cascade for scored in loaded.front}
