"""A run from a user's words to its folder: resumed where it was killed."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..class_names import OnNote, unnoted
from ..errors import SearchError, SourceError
from ..files import json_text, sha256_of
from ..progress import OnProgress, unheard
from ..version import __version__
from ..work import drive
from .designs import NAMES, SMALL, space_of
from .nat_runs import RUN_FILE, NatRun, ScoredSubnet, write_run, write_weights
from .nat_settings import NatSettings
from .pretrained import load_checkpoint, make_supernet, where_published
from .rounds import Rounds
from .run_folder import keeper_of, refuse_other, refuse_taken
from .subnet_evaluating import macs_of_genomes, samples_hash
from .subnet_latency import SubnetLatency, TimedSubnets
from .subnets import genome_text
from .supernet import Supernet
from .task import DataPlan, Task, open_task
from .transfer import SubnetCandidates, subnet_rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a supernetwork's first weights come from.

    Args:
        supernet: its name, see designs.py.
        checkpoint: a file with its weights, None for random ones.
    """

    supernet: str
    checkpoint: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a run is started.

    Args:
        seed: of everything random.
        device: "cpu", "cuda", ...
        resume: go on where the folder's run was; a finished one is returned as it is.
    """

    seed: int = 0
    device: str = "cpu"
    resume: bool = False


def transfer(  # noqa: PLR0913 - what a run needs, and who hears of it
    origin: Origin,
    plan: DataPlan,
    settings: NatSettings,
    out: Path,
    *,
    launch: Launch,
    timed: TimedSubnets | None = None,
    on_note: OnNote = unnoted,
    on_progress: OnProgress = unheard,
) -> NatRun:
    """Runs Neural Architecture Transfer into the folder `out`.

    Args:
        origin: the supernetwork and its weights.
        plan: the data.
        settings: how.
        out: a new folder; with `resume` one that this same run began.
        launch: the seed, where it runs, and whether it resumes.
        timed: prices subnets by their time; None: by their multiply-adds.
        on_note: hears how the classes of the data were matched.
        on_progress: hears of the work done, and of every round.

    Raises:
        EncasError: the supernetwork, its weights, the times or the data cannot be used, or the
            folder holds another run.
        KeyboardInterrupt: Ctrl-C, when what was done is stored to go on from.
    """
    refuse_taken(out, RUN_FILE, resume=launch.resume)
    check_weights(origin, settings)
    sized = fitting(plan, origin.supernet)
    task = open_task(sized, settings, seed=launch.seed, on_note=on_note)
    latency = None
    if timed is not None:
        n_channels, side = task.train.shape
        space = space_of(origin.supernet, size=side, n_channels=n_channels)
        latency = timed.fit(space, n_classes=task.train.n_classes)
    description = describe([origin], settings, task, seed=launch.seed, latency=latency)
    if (out / RUN_FILE).is_file():
        run = NatRun.load(out)
        refuse_other(run.settings, description, out)
        return run
    task = task.to(torch.device(launch.device))
    supernet = prepared(origin, task, seed=launch.seed)
    rng = np.random.default_rng(launch.seed)
    rounds = subnet_rounds(supernet, task, settings, rng=rng, costs=latency)
    keeper = keeper_of(rounds, out, description, resume=launch.resume)
    drive(rounds, keeper=keeper, on_progress=on_progress)
    run = write_outcome(
        rounds,
        out,
        task=task,
        settings=description,
        seed=launch.seed,
        has_times=latency is not None,
    )
    keeper.checkpoint.path.unlink(missing_ok=True)
    return run


def fitting(plan: DataPlan, supernet: str) -> DataPlan:
    """The plan with the only size that a supernetwork takes, where it takes only one."""
    return plan if supernet in SMALL else replace(plan, size=space_of(supernet).design.size)


def prepared(origin: Origin, task: Task, *, seed: int) -> Supernet:
    """A supernetwork for the samples of a task, with its first weights, on their device.

    Raises:
        EncasError: it does not take such samples, or its weights cannot be read.
    """
    n_channels, side = task.train.shape
    supernet = make_supernet(
        origin.supernet,
        n_classes=task.train.n_classes,
        size=side,
        n_channels=n_channels,
        seed=seed,
    )
    if origin.checkpoint is not None:
        load_checkpoint(supernet, origin.checkpoint)
    supernet.module.to(task.train.x.device)
    return supernet


def describe(
    origins: list[Origin],
    settings: NatSettings,
    task: Task,
    *,
    seed: int,
    latency: SubnetLatency | None = None,
) -> dict[str, Any]:
    """All that a run's result depends on, as a file of JSON gives it back."""
    times = None
    if latency is not None:
        own = {"batch_size": latency.batch_size, "profile_sha256": latency.sha256}
        times = own | asdict(latency.quality)
    weights = {o.supernet: sha256_of(o.checkpoint) if o.checkpoint else None for o in origins}
    samples = {"train": samples_hash(task.train), "search": samples_hash(task.search)}
    content = asdict(settings) | {"weights": weights, "samples": samples, "seed": seed}
    content |= {"latency": times}
    return json.loads(json_text(content))


def write_outcome(
    rounds: Rounds[SubnetCandidates],
    out: Path,
    *,
    task: Task,
    settings: dict[str, Any],
    seed: int,
    has_times: bool = False,
) -> NatRun:
    """Writes finished rounds as a run."""
    (settled,) = rounds.settled
    texts = [genome_text(genome) for genome in rounds.genomes]
    macs = macs_of_genomes(settled.space, rounds.genomes, n_classes=settled.n_classes).tolist()
    errors, costs = rounds.points.T.tolist()
    times = costs if has_times else [None] * len(texts)
    scores = zip(texts, errors, macs, times, strict=True)
    run = outcome_of(
        settled,
        out,
        task=task,
        settings=settings,
        seed=seed,
        archive=[ScoredSubnet(genome=g, error=e, macs=m, latency_ms=t) for g, e, m, t in scores],
        front=[texts[place] for place in rounds.front],
    )
    run = replace(run, history=tuple(rounds.history))
    write_run(run)
    return run


def outcome_of(
    supernet: Supernet,
    out: Path,
    *,
    task: Task,
    settings: dict[str, Any],
    seed: int,
    archive: Sequence[ScoredSubnet],
    front: Sequence[str],
) -> NatRun:
    """A run with the weights of a supernetwork, which are written; `run.json` is not yet."""
    design = supernet.space.design
    return NatRun(
        supernet=design.name,
        size=design.size,
        n_channels=design.n_channels,
        n_classes=supernet.n_classes,
        classes=task.classes,
        preprocessing=task.preprocessing,
        data=task.record,
        calibration=task.calibrated,
        seed=seed,
        settings=settings,
        versions=versions(),
        history=(),
        archive=tuple(archive),
        front=tuple(front),
        weights=write_weights(out, supernet.module.state_dict()),
        folder=out,
    )


def versions() -> dict[str, str]:
    """The versions that a run's result could depend on."""
    packages = {name: version(name) for name in ("numpy", "pymoo", "torch")}
    return {"encas": __version__, "python": platform.python_version(), **packages}


def check_weights(origin: Origin, settings: NatSettings) -> None:
    """Refuses a supernetwork that there is not, and one without weights.

    Raises:
        EncasError: it is such a one; the text says where weights are to be had.
    """
    name = origin.supernet
    if name not in NAMES:
        raise SearchError(f"supernetwork must be one of {', '.join(NAMES)}, got {name!r}")
    if origin.checkpoint is not None and not origin.checkpoint.is_file():
        fault = f"no such file; {where_published(name)}"
        raise SourceError(fault, where=str(origin.checkpoint))
    if origin.checkpoint is None and name not in SMALL:
        raise SourceError(f"needs trained weights; {where_published(name)}", where=name)
    if origin.checkpoint is None and not settings.warm_up_epochs:
        fault = "has random weights: give --warm-up-epochs above 0, or a --checkpoint"
        raise SourceError(fault, where=name)
