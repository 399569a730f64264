"""A run of ENCAS-joint from a user's words to its folder: resumed where it was killed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..cascade import Cascade
from ..class_names import OnNote, unnoted
from ..errors import SearchError
from ..fronts.indicators import non_dominated
from ..fronts.scored_cascade import ScoredCascade
from ..progress import OnProgress, unheard
from ..work import drive
from .joint_runs import JOINT_FILE, JointRun, best, member_folder, write_joint
from .joint_transfer import CascadeCandidates
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
from .rounds import Rounds
from .run_folder import keeper_of, refuse_other, refuse_taken
from .subnets import genome_text
from .task import DataPlan, Task, open_task


def joint_transfer(
    origins: Sequence[Origin],
    plan: DataPlan,
    settings: NatSettings,
    out: Path,
    *,
    launch: Launch,
    on_note: OnNote = unnoted,
    on_progress: OnProgress = unheard,
) -> JointRun:
    """Runs ENCAS-joint over several supernetworks into the folder `out`.

    Args:
        origins: the supernetworks and their weights, each supernetwork once.
        plan: the data.
        settings: how; `archive_size` counts cascades.
        out: a new folder; with `resume` one that this same run began.
        launch: the seed, where it runs, and whether it resumes.
        on_note: hears how the classes of the data were matched.
        on_progress: hears of the work done, and of every round.

    Raises:
        EncasError: a supernetwork, its weights or the data cannot be used, or the folder holds
            another run.
        KeyboardInterrupt: Ctrl-C, when what was done is stored to go on from.
    """
    refuse_taken(out, JOINT_FILE, resume=launch.resume)
    _check_origins(origins, settings)
    plans = [fitting(plan, origin.supernet) for origin in origins]
    tasks = [open_task(each, settings, seed=launch.seed, on_note=on_note) for each in plans]
    description = describe(list(origins), settings, tasks[0], seed=launch.seed)
    if (out / JOINT_FILE).is_file():
        run = JointRun.load(out)
        refuse_other(run.settings, description, out)
        return run
    tasks = [task.to(torch.device(launch.device)) for task in tasks]
    supernets = [prepared(o, t, seed=launch.seed) for o, t in zip(origins, tasks, strict=True)]
    candidates = CascadeCandidates(supernets, tasks, settings)
    rng, name = np.random.default_rng(launch.seed), "adapting together"
    rounds = Rounds(supernets, tasks, settings, rng=rng, candidates=candidates, name=name)
    keeper = keeper_of(rounds, out, description, resume=launch.resume)
    drive(rounds, keeper=keeper, on_progress=on_progress)
    run = _written(rounds, out, tasks=tasks, settings=description, seed=launch.seed)
    keeper.checkpoint.path.unlink(missing_ok=True)
    return run


def _check_origins(origins: Sequence[Origin], settings: NatSettings) -> None:
    names = [origin.supernet for origin in origins]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise SearchError(*(f"supernetwork {name} is given twice" for name in doubles))
    for origin in origins:
        check_weights(origin, settings)


def _written(
    rounds: Rounds[CascadeCandidates],
    out: Path,
    *,
    tasks: Sequence[Task],
    settings: dict[str, Any],
    seed: int,
) -> JointRun:
    """Writes finished rounds as a run."""
    points, reach = rounds.points, rounds.candidates.table(rounds.measured).reach
    front = best([_scored(rounds, p, points[p], reach[p]) for p in rounds.front.tolist()])
    members = list[NatRun]()
    for s, (supernet, task) in enumerate(zip(rounds.settled, tasks, strict=True)):
        archive = _archive(rounds, s)
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
                front=_member_front(rounds, s, archive),
            )
            write_run(member)
            members.append(member)
    run = JointRun(
        members=tuple(members),
        seed=seed,
        settings=settings,
        versions=versions(),
        history=tuple(rounds.history),
        front=front,
        folder=out,
    )
    write_joint(run)
    return run


def _scored(rounds: Rounds[CascadeCandidates], place: int, point: Any, reach: Any) -> ScoredCascade:
    """A cascade of the archive, without the stages that no sample reached."""
    cascade = rounds.candidates.space.cascade(rounds.genomes[place])
    n_stages = int((reach > 0).sum())
    kept = Cascade(
        members=cascade.members[:n_stages], thresholds=cascade.thresholds[: n_stages - 1]
    )
    return ScoredCascade(
        cascade=kept,
        error=float(point[0]),
        cost=float(point[1]),
        reach=tuple(reach[:n_stages].tolist()),
    )


def _archive(rounds: Rounds[CascadeCandidates], s: int) -> list[ScoredSubnet]:
    """The subnets of a supernetwork in the cascades of the archive, each once."""
    candidates = rounds.candidates
    errors = candidates.table(rounds.measured).member_error[:, s]
    is_in = ~np.isnan(errors)
    own = candidates.space.subnets(rounds.genomes)[s][is_in]
    genomes, first = np.unique(own, axis=0, return_index=True)
    costs = candidates.subnet_costs[s](genomes)
    return [
        ScoredSubnet(genome=genome_text(genome), error=float(error), macs=float(macs))
        for genome, error, macs in zip(genomes, errors[is_in][first], costs, strict=True)
    ]


def _member_front(
    rounds: Rounds[CascadeCandidates], s: int, archive: Sequence[ScoredSubnet]
) -> list[str]:
    """What a pool is made of: what the front's cascades use, and what no subnet dominates."""
    keep = non_dominated(np.array([(subnet.error, subnet.macs) for subnet in archive]))
    space, chosen = rounds.candidates.space, rounds.genomes[rounds.front]
    used = chosen[space.ranks(chosen)[:, s] > 0]
    texts = {genome_text(genome) for genome in space.subnets(used)[s]}
    kept = [a for a, stays in zip(archive, keep, strict=True) if stays or a.genome in texts]
    return [subnet.genome for subnet in sorted(kept, key=lambda a: (a.macs, a.genome))]
