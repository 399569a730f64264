"""`build_pool`: models and data as a user names them in, a pool out."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...arrays import ByteArray
from ...data.data_source import DataSource
from ...data.open_source import open_source
from ...data.pixels import broken_images
from ...data.splits import stratified_rows
from ...errors import PoolError
from ...processors import usable_processors
from ...progress import OnProgress, Progress, unheard
from ..cost_table import read_costs
from ..models.class_map import class_columns
from ..models.model_requests import ModelFilter, ModelRefusal, ModelRequest, expand
from ..models.run_settings import Precision, RunSettings
from ..pool import Pool, given_pool
from ..pool_samples import hashes_of
from .build_crew import SoloCrew
from .build_options import BuildOptions, StoredType
from .build_run import (
    BuildReport,
    processes,
    ray_cluster,
    run_build,
    visible_gpus,
)
from .build_state import BUILD_FILE
from .build_work import BUILDING, Hiring


def build_pool(  # noqa: PLR0913 - one keyword for each option of a build
    models: str | ModelRequest | Sequence[str | ModelRequest] = (),
    *,
    data: str | Path,
    out: str | Path,
    preset: str | None = None,
    max_params: float | None = None,
    max_macs: float | None = None,
    max_resolution: int | None = None,
    tag: str | None = None,
    n_samples: int | None = None,
    rows: Sequence[int] | None = None,
    seed: int = 0,
    class_map: str | None = None,
    download: bool = False,
    skip_broken: bool = False,
    preprocessing: str | Path | None = None,
    costs: str | Path | None = None,
    held_out: Pool | str | Path | None = None,
    device: str = "cpu",
    precision: Precision | None = None,
    n_threads: int = 1,
    batch_size: int | None = None,
    stored: StoredType = "float32",
    workers: int | None = None,
    ray: str | None = None,
    cache_gb: float = 64.0,
    name: str = "",
    overwrite: bool = False,
    on_progress: OnProgress = unheard,
) -> BuildReport:
    """Runs models over data and stores their outputs in the pool folder `out`.

    Every model's outputs are stored as they are done: after an interruption, the same call goes on.
    Models that fail stop nobody; the report names them.

    Args:
        models: SPECs, patterns or @FILE, see models/model_requests.py; or made out already.
        data: DATA, see data/open_source.py.
        out: a new folder, or that of an earlier build of the same data with the same settings.
        preset: a list of models that comes with the package.
        max_params: of models that patterns and presets name, only those with at most so many.
        max_macs: likewise, multiply-adds per sample.
        max_resolution: likewise, pixels of the longer side of a sample.
        tag: likewise, a pattern for the weights' tag, such as `*in1k`.
        n_samples: a stratified part of the data, None for all.
        rows: instead, the rows of the data that are wanted.
        seed: of that part.
        class_map: see models/class_map.py; None: the models' outputs are the data's classes.
        download: fetch the data where it is not there.
        skip_broken: leave out images that cannot be read; by default they stop the build.
        preprocessing: a JSON file, for models that do not know their own.
        costs: a CSV file with costs, see cost_table.py.
        held_out: a pool whose samples kept for the test are kept for the test here, too; all of
            its samples where it was never split.
        device: "cpu", "cuda", "cuda:1", ...
        precision: of torch's arithmetic; None: float32 on a CPU, float16 elsewhere.
        n_threads: of one model on a CPU.
        batch_size: samples at once; None: as many as the model's activations allow.
        stored: the type that outputs are stored as.
        workers: models that run at the same time; None: as many as there are processors for
            their threads, or GPUs that "cuda" may mean.
        ray: the address of a Ray cluster, or None.
        cache_gb: pixels that may lie on the disk at most, for each preprocessing.
        name: of the pool.
        overwrite: begin anew where there is a build in the folder.
        on_progress: hears of all models, of each one, and of the images being decoded.

    Returns:
        What was built and what failed; `Pool.load(out)` opens the pool.

    Raises:
        EncasError: an option, the data, or every single model cannot be used.
    """
    folder = Path(out)
    wanted = ModelFilter(
        max_params=max_params, max_macs=max_macs, max_resolution=max_resolution, tag=tag
    )
    requests, refusals = _requests(models, preset, wanted, on_progress)
    source = open_source(str(data), download=download)
    for sentence in source.notes:
        on_progress(Progress(what=BUILDING, news=f"{source.name}: {sentence}"))
    if n_samples is not None:
        rows = stratified_rows(source.label, n_samples, seed=seed).tolist()
    if skip_broken:
        rows = _whole_rows(source, rows, on_progress)
    settings = RunSettings(
        device=device,
        precision=precision or ("float32" if device == "cpu" else "float16"),
        n_threads=n_threads,
        batch_size=batch_size,
    )
    options = BuildOptions(
        settings=settings,
        stored=stored,
        preprocessing=None if preprocessing is None else Path(preprocessing),
        columns=class_columns(class_map, source.classes) if class_map else None,
        costs=read_costs(Path(costs)) if costs else {},
        rows=None if rows is None else tuple(rows),
        held_out=None if held_out is None else _held_out(given_pool(held_out)),
        decode_threads=usable_processors(),
        cache_bytes=int(cache_gb * 2**30),
        name=name,
    )
    if overwrite and (folder / BUILD_FILE).is_file():
        shutil.rmtree(folder)
    hire = _hire(settings, len(requests), ray=ray, workers=workers)
    report = run_build(
        requests, source, folder, options=options, hire=hire, on_progress=on_progress
    )
    return replace(report, refusals=(*refusals, *report.refusals))


def _requests(
    models: str | ModelRequest | Sequence[str | ModelRequest],
    preset: str | None,
    wanted: ModelFilter,
    on_progress: OnProgress,
) -> tuple[list[ModelRequest], list[ModelRefusal]]:
    """The models to run; those that are made out already come last."""
    given = [models] if isinstance(models, (str, ModelRequest)) else models
    words = tuple(model for model in given if isinstance(model, str))
    made = [model for model in given if isinstance(model, ModelRequest)]
    if made and not words and preset is None:
        return made, []
    found, refusals = expand(words, preset=preset, wanted=wanted, on_progress=on_progress)
    return [*found, *made], list(refusals)


def _whole_rows(
    source: DataSource, rows: Sequence[int] | None, on_progress: OnProgress
) -> Sequence[int] | None:
    """The rows whose images can be read; None where these are all rows of the data."""
    part = source if rows is None else source.take(np.array(rows, np.int64))
    broken = broken_images(part, n_threads=usable_processors(), on_progress=on_progress)
    if not broken:
        return rows
    told = [
        f"{len(broken)} of {part.n_samples} images cannot be read and are left out:",
        *(f"  {text}" for text in broken.values()),
    ]
    on_progress(Progress(what=BUILDING, news="\n".join(told)))
    every = range(part.n_samples) if rows is None else rows
    return [row for place, row in enumerate(every) if place not in broken]


def _held_out(pool: Pool) -> ByteArray:
    return hashes_of(pool) if pool.held_out is None else pool.held_out


def _hire(settings: RunSettings, n_models: int, *, ray: str | None, workers: int | None) -> Hiring:
    if ray is not None:
        return ray_cluster(ray, settings)
    if workers is None:
        n_gpus = visible_gpus() if settings.device == "cuda" else 0
        is_cpu = settings.device == "cpu"
        workers = max(1, usable_processors() // settings.n_threads if is_cpu else n_gpus)
    if workers < 1:
        raise PoolError(f"expected at least one worker, got {workers}")
    workers = min(workers, n_models)
    return SoloCrew if workers == 1 else processes(workers, settings)
