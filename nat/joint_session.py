"""A run of ENCAS-joint from a user's words to its folder: resumed where it was killed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from ..cascade import Cascade
from ..errors import SearchError
from ..fronts.indicators import non_dominated
from ..fronts.scored_cascade import ScoredCascade
from .joint_runs import JOINT_FILE, JointRun, best, member_folder, write_joint
from .joint_transfer import JointTransfer
from .nat_runs import NatRun, ScoredSubnet, write_run
from .nat_session import (
    Launch,
    Origin,
    check_weights,
    describe,
    fitting,
    outcome_of,
    prepared,
    versions,
)
from .nat_settings import NatSettings
from .run_folder import checkpoint_of, drive, refuse_other, refuse_taken
from .subnets import genome_text
from .task import DataPlan, Task, open_task

OnStep: TypeAlias = Callable[[JointTransfer], None]


def joint_transfer(
    origins: Sequence[Origin],
    plan: DataPlan,
    settings: NatSettings,
    out: Path,
    *,
    launch: Launch,
    on_step: OnStep | None = None,
) -> JointRun:
    """Runs ENCAS-joint over several supernetworks into the folder `out`.

    Args:
        origins: the supernetworks and their weights, each supernetwork once.
        plan: the data.
        settings: how; `archive_size` counts cascades.
        out: a new folder; with `resume` one that this same run began.
        launch: the seed, where it runs, and whether it resumes.
        on_step: is told after every step.

    Raises:
        EncasError: a supernetwork, its weights or the data cannot be used, or the folder holds
            another run.
    """
    refuse_taken(out, JOINT_FILE, resume=launch.resume)
    _check_origins(origins, settings)
    tasks = [open_task(fitting(plan, o.supernet), settings, seed=launch.seed) for o in origins]
    description = describe(list(origins), settings, tasks[0], seed=launch.seed)
    if (out / JOINT_FILE).is_file():
        run = JointRun.load(out)
        refuse_other(run.settings, description, out)
        return run
    tasks = [task.to(torch.device(launch.device)) for task in tasks]
    supernets = [prepared(o, t, seed=launch.seed) for o, t in zip(origins, tasks, strict=True)]
    job = JointTransfer(supernets, tasks, settings, rng=np.random.default_rng(launch.seed))
    checkpoint = checkpoint_of(out, description, resume=launch.resume)
    drive(job, checkpoint, on_step=lambda: on_step(job) if on_step else None)
    run = _written(job, out, tasks=tasks, settings=description, seed=launch.seed)
    checkpoint.path.unlink(missing_ok=True)
    return run


def _check_origins(origins: Sequence[Origin], settings: NatSettings) -> None:
    names = [origin.supernet for origin in origins]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise SearchError(*(f"supernetwork {name} is given twice" for name in doubles))
    for origin in origins:
        check_weights(origin, settings)


def _written(
    job: JointTransfer,
    out: Path,
    *,
    tasks: Sequence[Task],
    settings: dict[str, Any],
    seed: int,
) -> JointRun:
    """Writes a finished job as a run."""
    points, reach = job.points, job.measured.reach
    front = best([_scored(job, p, points[p], reach[p]) for p in job.front.tolist()])
    members = list[NatRun]()
    for s, (supernet, task) in enumerate(zip(job.settled, tasks, strict=True)):
        archive = _archive(job, s)
        if archive:
            folder = member_folder(out, supernet.space.design.name)
            folder.mkdir(parents=True, exist_ok=True)
            member = outcome_of(
                supernet,
                folder,
                task=task,
                settings=settings,
                seed=seed,
                archive=archive,
                front=_member_front(job, s, archive),
            )
            write_run(member)
            members.append(member)
    run = JointRun(
        members=tuple(members),
        seed=seed,
        settings=settings,
        versions=versions(),
        history=tuple(job.history),
        front=front,
        folder=out,
    )
    write_joint(run)
    return run


def _scored(job: JointTransfer, place: int, point: Any, reach: Any) -> ScoredCascade:
    """A cascade of the archive, without the stages that no sample reached."""
    cascade, n_stages = job.space.cascade(job.genomes[place]), int((reach > 0).sum())
    kept = Cascade(
        members=cascade.members[:n_stages], thresholds=cascade.thresholds[: n_stages - 1]
    )
    return ScoredCascade(
        cascade=kept,
        error=float(point[0]),
        cost=float(point[1]),
        reach=tuple(reach[:n_stages].tolist()),
    )


def _archive(job: JointTransfer, s: int) -> list[ScoredSubnet]:
    """The subnets of a supernetwork in the cascades of the archive, each once."""
    errors = job.measured.member_error[:, s]
    is_in = ~np.isnan(errors)
    genomes, first = np.unique(job.space.subnets(job.genomes)[s][is_in], axis=0, return_index=True)
    costs = job.costs[s](genomes)
    return [
        ScoredSubnet(genome=genome_text(genome), error=float(error), macs=float(macs))
        for genome, error, macs in zip(genomes, errors[is_in][first], costs, strict=True)
    ]


def _member_front(job: JointTransfer, s: int, archive: Sequence[ScoredSubnet]) -> list[str]:
    """What a pool is made of: what the front's cascades use, and what no subnet dominates."""
    keep = non_dominated(np.array([(subnet.error, subnet.macs) for subnet in archive]))
    used = job.front[job.space.ranks(job.genomes[job.front])[:, s] > 0]
    texts = {genome_text(genome) for genome in job.space.subnets(job.genomes[used])[s]}
    chosen = [a for a, stays in zip(archive, keep, strict=True) if stays or a.genome in texts]
    return [subnet.genome for subnet in sorted(chosen, key=lambda a: (a.macs, a.genome))]
