"""What a pool build is to do: options, and one job for each model that can be had."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ...arrays import ByteArray
from ...data.data_source import DataSource
from ...data.pixels import SampleReference, pixel_steps
from ...data.preprocessing import Preprocessing
from ...errors import EncasError
from ...files import sha256_of
from ..models.model_requests import ModelRefusal, ModelRequest, refusal_of
from ..models.model_runner import preprocessing_of
from ..models.run_settings import RunSettings
from ..models.specs import files_of_spec, source_model
from .build_job import BuildJob
from .build_queue import Group
from .build_state import BuildState, Planned

StoredType: TypeAlias = Literal["float16", "float32"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BuildOptions:
    """How a pool is built.

    Args:
        settings: how models run.
        stored: the type that outputs are stored as.
        preprocessing: the file with that of models that do not know their own, or None.
        columns: which outputs of models with other classes than the data are wanted, or None.
        costs: costs by model and name; they count more than what is counted here.
        rows: of the data, for a part of them; None: all.
        held_out: uint8 [n, 32], hashes of samples that are kept for the test, or None.
        decode_threads: images that are decoded at once.
        cache_bytes: pixels that may lie on the disk for the models that share them; where one
            preprocessing needs more, every model decodes the images anew.
        name: of the pool; the folder's name where it is empty.
    """

    settings: RunSettings = field(default_factory=RunSettings)
    stored: StoredType = "float32"
    preprocessing: Path | None = None
    columns: tuple[int, ...] | None = None
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    rows: tuple[int, ...] | None = None
    held_out: ByteArray | None = None
    decode_threads: int = 1
    cache_bytes: int = 64 * 2**30
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """What is to be done.

    Args:
        jobs: one for each model that can be had, in order.
        models: their records, in the same order.
        refusals: the models that cannot be had.
        unaware: the models that get the preprocessing of the options, for lack of their own.
    """

    jobs: tuple[BuildJob, ...]
    models: tuple[Planned, ...]
    refusals: tuple[ModelRefusal, ...]
    unaware: frozenset[str]

    def groups(self, names: Sequence[str]) -> tuple[Group, ...]:
        """The jobs of some models, by the samples that they share."""
        jobs: dict[SampleReference, list[BuildJob]] = {}
        for job in self.jobs:
            if job.name in names:
                jobs.setdefault(job.samples, []).append(job)
        return tuple(Group(samples=key, jobs=tuple(group)) for key, group in jobs.items())


def plan_jobs(
    requests: Sequence[ModelRequest], data: DataSource, options: BuildOptions
) -> BuildPlan:
    """One job for each model whose SPEC and preprocessing can be made out; nothing is built."""
    default = Preprocessing.load(options.preprocessing) if options.preprocessing else None
    jobs: list[BuildJob] = []
    models: list[Planned] = []
    refusals: list[ModelRefusal] = []
    unaware: set[str] = set()
    for request in requests:
        try:
            source = source_model(request.spec, base=request.base)
            wanted = preprocessing_of(source, default) if data.is_image else None
            files = files_of_spec(request.spec, base=request.base)
        except EncasError as cause:
            refusals.append(refusal_of(request, cause))
            continue
        if data.is_image and source.preprocessing is None:
            unaware.add(request.name)
        jobs.append(_job(request, wanted, data, options))
        models.append(
            Planned(
                name=request.name,
                spec=request.spec,
                preprocessing=_json_of(wanted) if wanted else {},
                files=tuple(sha256_of(file) for file in files),
            )
        )
    return BuildPlan(
        jobs=tuple(jobs),
        models=tuple(models),
        refusals=tuple(refusals),
        unaware=frozenset(unaware),
    )


def state_of(
    plan: BuildPlan, data: DataSource, hashes: ByteArray, options: BuildOptions
) -> BuildState:
    """What decides on the bytes that the plan's jobs store."""
    settings = options.settings
    content = hashlib.sha256(data.label.tobytes() + hashes.tobytes()).hexdigest()
    return BuildState(
        data=data.name,
        data_sha256=content,
        n_classes=data.n_classes,
        settings={
            "device": settings.device.partition(":")[0],
            "precision": settings.precision,
            "threads": settings.n_threads,
            "batch_size": settings.batch_size,
            "dtype": options.stored,
            "class_map": list(options.columns) if options.columns else None,
        },
        models=plan.models,
    )


def _json_of(preprocessing: Preprocessing) -> dict[str, Any]:
    values = asdict(preprocessing).items()
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values}


def _job(
    request: ModelRequest,
    preprocessing: Preprocessing | None,
    data: DataSource,
    options: BuildOptions,
) -> BuildJob:
    plan = pixel_steps(preprocessing) if preprocessing else None
    return BuildJob(
        name=request.name,
        spec=request.spec,
        base=request.base,
        preprocessing=preprocessing,
        n_classes=data.n_classes,
        columns=options.columns,
        settings=options.settings,
        samples=SampleReference(file=None, data=data.name, rows=options.rows, plan=plan),
    )
