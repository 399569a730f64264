"""Builds a pool: runs models over data and stores what they answer, model by model.

The pool is there, and valid, as soon as the first model is done; a build that was killed goes on
where it was. What is stored does not depend on who runs the models, nor on how often the build was
killed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...data.data_source import DataSource
from ...errors import PoolError
from ...files import unfinished_files
from ...progress import OnProgress, unheard
from ...runtime.device import nvidia_gpus
from ...work import drive
from ..models.model_requests import ModelRefusal, ModelRequest
from ..models.run_settings import RunSettings
from ..pool_io import POOL_FILE
from .build_classes import build_classes
from .build_crew import ProcessCrew, SoloCrew
from .build_options import BuildOptions
from .build_plan import BuildPlan, plan_jobs, state_of
from .build_state import BUILD_FILE, BuildState, continued, unchanged
from .build_store import PoolStore
from .build_work import Hiring, Pixels, PoolBuild

WORK_FOLDER = ".work"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a build came to.

    Args:
        path: the pool's folder.
        n_models: models in the pool.
        n_built: of these, models that ran in this build.
        n_passes: passes over the images, one for each way to make pixels of them.
        refusals: the models that are not in the pool, and why.
        unpriced: the models that ran in this build and whose macs cannot be counted, and why.
        notes: what was done to match classes, a line each.
        doubts: the models that ran in this build and whose outputs look odd, and how.
    """

    path: Path
    n_models: int
    n_built: int
    n_passes: int
    refusals: tuple[ModelRefusal, ...]
    unpriced: tuple[ModelRefusal, ...]
    notes: tuple[str, ...] = ()
    doubts: tuple[ModelRefusal, ...] = ()


def run_build(
    requests: Sequence[ModelRequest],
    data: DataSource,
    out: Path,
    *,
    options: BuildOptions | None = None,
    hire: Hiring | None = None,
    on_progress: OnProgress = unheard,
) -> BuildReport:
    """Runs models over data and stores their outputs in the pool folder `out`.

    Args:
        requests: the models; their names must differ.
        data: all of the data, even where `options.rows` takes a part of them.
        out: a new folder, or that of an earlier build of the same data with the same settings.
        options: how.
        hire: makes who runs the models; this process by default.
        on_progress: hears of the build, of each model that runs, and of decoding, by another
            thread.

    Raises:
        PoolError: `out` is something else, or no model could be run.
        DataError: an image cannot be read.
        KeyboardInterrupt: Ctrl-C; the models that were done are in the pool.
    """
    chosen = options or BuildOptions()
    part = data if chosen.rows is None else data.take(np.array(chosen.rows, np.int64))
    classes = build_classes(requests, part, chosen)
    part, plan = classes.data, plan_jobs(requests, classes, chosen)
    if not plan.jobs:
        raise _nothing(plan.refusals, out)
    store, kept = _opened(out, plan, part, chosen, requests)
    work = out / WORK_FOLDER
    build = PoolBuild(
        plan,
        store,
        kept,
        pixels=Pixels(folder=work, data=part, options=chosen),
        hire=hire or SoloCrew,
        on_progress=on_progress,
    )
    with closing(build):
        drive(build, keeper=build, on_progress=on_progress)
    shutil.rmtree(work, ignore_errors=True)
    if not store.names:
        raise _nothing(build.refusals, out)
    return BuildReport(
        path=out,
        n_models=len(store.names),
        n_built=build.n_built,
        n_passes=build.n_passes,
        refusals=tuple(build.refusals),
        unpriced=tuple(build.unpriced),
        notes=plan.notes,
        doubts=tuple(build.doubts),
    )


def processes(n_workers: int, settings: RunSettings) -> Hiring:
    """Processes of this machine run the models; those on "cuda" share its GPUs out."""
    n_gpus = visible_gpus() if settings.device == "cuda" else 0
    devices = [f"cuda:{index}" for index in range(n_gpus)] or [settings.device]
    return lambda: ProcessCrew(n_workers, devices)


def visible_gpus() -> int:
    """How many GPUs this process may use."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return len(nvidia_gpus())
    return len([word for word in chosen.split(",") if word.strip()])


def ray_cluster(address: str, settings: RunSettings) -> Hiring:
    """A Ray cluster runs the models.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    from .build_ray import RayCrew  # noqa: PLC0415 - Ray is optional

    n_gpus = 0 if settings.device == "cpu" else 1
    return lambda: RayCrew(address, n_threads=settings.n_threads, n_gpus=n_gpus)


def _opened(
    out: Path,
    plan: BuildPlan,
    data: DataSource,
    options: BuildOptions,
    requests: Sequence[ModelRequest],
) -> tuple[PoolStore, frozenset[str]]:
    """The store in a new folder, or in that of an earlier build; and the models to keep of it."""
    if out.exists() and not (out / BUILD_FILE).is_file() and not _is_empty(out):
        raise PoolError(
            "is no folder of an earlier build; give another --out, or --overwrite", where=str(out)
        )
    hashes = data.sample_hashes()
    # Where no model is done yet, nothing binds the build to what it was.
    old = BuildState.load(out) if (out / POOL_FILE).is_file() else None
    state = state_of(plan, data, hashes, options)
    state = continued(old, state, where=str(out)) if old else state
    out.mkdir(parents=True, exist_ok=True)
    store = PoolStore(
        folder=out,
        state=state,
        data=data,
        hashes=hashes,
        options=options,
        requests={request.name: request for request in requests},
        unaware=plan.unaware,
        columns=plan.columns,
    )
    state.save(out)
    return store, unchanged(old, state)


def _is_empty(folder: Path) -> bool:
    return set(folder.iterdir()) <= set(unfinished_files(folder))


def _nothing(refusals: Sequence[ModelRefusal], out: Path) -> PoolError:
    reasons = [f"{refusal.name}: {refusal.reason}" for refusal in refusals]
    return PoolError(f"none of {len(reasons)} models could be run", *reasons, where=str(out))
