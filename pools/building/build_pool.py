"""`build_pool`: models and data as a user names them in, a pool out."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...arrays import ByteArray
from ...data.open_source import open_source
from ...data.splits import stratified_rows
from ...errors import PoolError
from ...progress import OnProgress, unheard
from ...runtime.device import usable_processors
from ..cost_table import read_costs
from ..models.class_map import class_columns
from ..models.model_requests import ModelFilter, ModelRefusal, ModelRequest, expand
from ..models.run_settings import RunSettings
from ..pool import Pool
from ..pool_samples import sample_hashes
from .build_crew import SoloCrew
from .build_plan import BuildOptions
from .build_run import (
    BuildReport,
    processes,
    ray_cluster,
    run_build,
    visible_gpus,
)
from .build_state import BUILD_FILE
from .build_work import Hiring


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What a user asks for.

    Args:
        models: words that name models, see sources/catalogue.py.
        requests: models that are made out already, instead of words.
        preset: a list of models that comes with the package, or None.
        wanted: which of the models that patterns and presets name.
        data: DATA, see sources/data.py.
        n_samples: a stratified part of the data, None for all.
        rows: instead, the rows of the data that are wanted.
        seed: of that part.
        class_map: see sources/class_map.py; None: the models' outputs are the data's classes.
        download: fetch the data where it is not there.
        preprocessing: a file, for models that do not know their own.
        costs: a CSV file with costs, see cost_table.py.
        held_out: a pool whose samples kept for the test are kept for the test here, too; all of
            its samples where it was never split.
        settings: how models run.
        stored: the type that outputs are stored as.
        workers: models that run at the same time; None: as many as there are processors for
            their threads, or GPUs that "cuda" may mean.
        ray: the address of a Ray cluster, or None.
        cache_gb: pixels that may lie on the disk at most, for each preprocessing.
        name: of the pool.
        overwrite: begin anew where there is a build in the folder.
    """

    models: tuple[str, ...] = ()
    requests: tuple[ModelRequest, ...] = ()
    preset: str | None = None
    wanted: ModelFilter = field(default_factory=ModelFilter)
    data: str
    n_samples: int | None = None
    rows: tuple[int, ...] | None = None
    seed: int = 0
    class_map: str | None = None
    download: bool = False
    preprocessing: Path | None = None
    costs: Path | None = None
    held_out: Path | None = None
    settings: RunSettings = field(default_factory=RunSettings)
    stored: str = "float32"
    workers: int | None = None
    ray: str | None = None
    cache_gb: float = 64.0
    name: str = ""
    overwrite: bool = False


def build_pool(
    request: BuildRequest, out: Path, *, on_progress: OnProgress = unheard
) -> BuildReport:
    """Runs models over data and stores their outputs in the pool folder `out`.

    Raises:
        EncasError: an option, the data, or every single model cannot be used.
    """
    requests, refusals = list(request.requests), list[ModelRefusal]()
    if not requests:
        requests, refusals = expand(
            request.models, preset=request.preset, wanted=request.wanted, on_progress=on_progress
        )
    data = open_source(request.data, download=request.download)
    rows = request.rows
    if request.n_samples is not None:
        chosen = stratified_rows(data.label, request.n_samples, seed=request.seed)
        rows = tuple(chosen.tolist())
    columns = class_columns(request.class_map, data.classes) if request.class_map else None
    options = BuildOptions(
        settings=request.settings,
        stored="float16" if request.stored == "float16" else "float32",
        preprocessing=request.preprocessing,
        columns=columns,
        costs=read_costs(request.costs) if request.costs else {},
        rows=rows,
        held_out=_held_out(request.held_out) if request.held_out else None,
        decode_threads=usable_processors(),
        cache_bytes=int(request.cache_gb * 2**30),
        name=request.name,
    )
    if request.overwrite and (out / BUILD_FILE).is_file():
        shutil.rmtree(out)
    hire = _hire(request, len(requests))
    report = run_build(requests, data, out, options=options, hire=hire, on_progress=on_progress)
    return replace(report, refusals=(*refusals, *report.refusals))


def _held_out(folder: Path) -> ByteArray:
    pool = Pool.load(folder)
    return sample_hashes(pool) if pool.held_out is None else pool.held_out


def _hire(request: BuildRequest, n_models: int) -> Hiring:
    settings = request.settings
    if request.ray is not None:
        return ray_cluster(request.ray, settings)
    workers = request.workers
    if workers is None:
        n_gpus = visible_gpus() if settings.device == "cuda" else 0
        is_cpu = settings.device == "cpu"
        workers = max(1, usable_processors() // settings.n_threads if is_cpu else n_gpus)
    if workers < 1:
        raise PoolError(f"expected at least one worker, got {workers}")
    workers = min(workers, n_models)
    return SoloCrew if workers == 1 else processes(workers, settings)
