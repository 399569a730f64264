"""Runs of ENCAS-joint on the disk: RUN/joint.json, and a run of each supernetwork beside it.

`joint.json` (schemas/nat_joint.schema.json) holds the front of cascades; the folders
RUN/members/NAME have the format of nat_runs.py, so that a pool is made of them as of any runs. The
cascades name their members as that pool does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import PoolError, SearchError
from ..evaluate.objectives import TopOneError, front_costs
from ..files import json_text, write_atomically
from ..fronts.front import Front
from ..fronts.indicators import non_dominated
from ..fronts.scored_cascade import ScoredCascade, cascade_json, cascades_of_json
from ..fronts.scoring import pool_reference, score
from ..pools.pool import Pool
from .nat_runs import NatRound, NatRun
from .run_folder import run_content
from .subnets import genome_of, subnet_name

FORMAT, VERSION = "encas.nat_joint", 1
JOINT_FILE, MEMBERS_FOLDER = "joint.json", "members"


@dataclass(frozen=True, slots=True, kw_only=True)
class JointRun:
    """A finished run of ENCAS-joint.

    Args:
        members: the runs of the supernetworks that its cascades use.
        seed: of everything random.
        settings: how it was run; for people.
        versions: of what the result could depend on.
        history: its rounds; `n_subnets` counts cascades.
        front: cascades that do not dominate each other, cheapest first; error on the search
            samples, cost in MACs per sample.
        folder: where it lies.
    """

    members: tuple[NatRun, ...]
    seed: int
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    history: tuple[NatRound, ...]
    front: tuple[ScoredCascade, ...]
    folder: Path

    @classmethod
    def load(cls, folder: Path) -> JointRun:
        """Reads a run and those of its supernetworks.

        Raises:
            SearchError: it is missing, unfinished or has faults.
        """
        path = folder / JOINT_FILE
        content = run_content(folder, JOINT_FILE, schema="nat_joint", command="encas nat joint")
        run = cls(
            members=tuple(NatRun.load(member_folder(folder, n)) for n in content["members"]),
            seed=content["seed"],
            settings=content["settings"],
            versions=content["versions"],
            history=tuple(NatRound(**each) for each in content["history"]),
            front=cascades_of_json(content["front"], where=str(path), error=SearchError),
            folder=folder,
        )
        known = {name for member in run.members for name in names_of(member)}
        used = dict.fromkeys(name for scored in run.front for name in scored.cascade.members)
        faults = [
            f"front: {name} is in no archive of its members" for name in used if name not in known
        ]
        if faults:
            raise SearchError(*faults[:20], where=str(path))
        return run


def member_folder(folder: Path, supernet: str) -> Path:
    """Where the run of a supernetwork lies within a run of ENCAS-joint.

    Raises:
        SearchError: it would lie elsewhere.
    """
    path = folder / MEMBERS_FOLDER / supernet
    if path.parent != folder / MEMBERS_FOLDER or supernet in (".", ".."):
        raise SearchError(f"members: {supernet!r} is no name of a folder", where=str(folder))
    return path


def names_of(run: NatRun) -> list[str]:
    """What the subnets of a run's archive are called in a pool of it."""
    space = run.space
    return [subnet_name(space, genome_of(s.genome, space)) for s in run.archive]


def write_joint(run: JointRun) -> None:
    """Writes `joint.json`, atomically; the runs of its members must lie there already."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "members": [member.folder.name for member in run.members],
        "seed": run.seed,
        "settings": dict(run.settings),
        "versions": dict(run.versions),
        "history": [asdict(each) for each in run.history],
        "front": [cascade_json(scored) for scored in run.front],
    }
    write_atomically(run.folder / JOINT_FILE, json_text(content))


def front_of(run: JointRun, pool: Pool) -> Front:
    """The cascades of a run as a front of a pool, which has their members: scored on it anew.

    Raises:
        PoolError: it lacks a member.
    """
    lacking = {
        name for scored in run.front for name in scored.cascade.members if name not in pool.names
    }
    if lacking:
        raise PoolError(
            f"lacks {len(lacking)} members of the cascades of {run.folder} (first: "
            f"{min(lacking)}); `encas nat pool {run.folder} --out POOL` makes a pool that has them",
            where=f"pool {pool.name}",
        )
    objectives = ("error", "macs")
    costs = front_costs(objectives, pool)
    scored = score([each.cascade for each in run.front], pool, TopOneError(), costs)
    return Front(
        pool=pool_reference(pool),
        objectives=objectives,
        cascades=best(scored),
        search={"algorithm": "encas-joint", "seed": run.seed, "versions": dict(run.versions)},
    )


def best(scored: Sequence[ScoredCascade]) -> tuple[ScoredCascade, ...]:
    """Those that do not dominate each other, cheapest first."""
    keep = non_dominated(np.array([(each.error, each.cost) for each in scored]))
    kept = [each for each, stays in zip(scored, keep, strict=True) if stays]
    return tuple(sorted(kept, key=lambda each: each.cost))
