"""What a pool build is to do: one job for each model that can be had."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...arrays import ByteArray
from ...data.data_source import DataSource
from ...data.pixels import SampleReference, pixel_steps
from ...data.preprocessing import Preprocessing
from ...errors import EncasError
from ...files import sha256_of
from ..models.model_requests import ModelRefusal, ModelRequest, refusal_of
from ..models.model_runner import preprocessing_of
from ..models.specs import files_of_spec, source_model
from .build_classes import BuildClasses
from .build_job import BuildJob
from .build_options import BuildOptions
from .build_queue import Group
from .build_state import BuildState, Planned


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """What is to be done.

    Args:
        jobs: one for each model that can be had, in order.
        models: their records, in the same order.
        refusals: the models that cannot be had.
        unaware: the models that get the preprocessing of the options, for lack of their own.
        columns: by model, which of its outputs are stored, in order; models that are not in it
            have no others.
        notes: what was done to match classes, for people.
    """

    jobs: tuple[BuildJob, ...]
    models: tuple[Planned, ...]
    refusals: tuple[ModelRefusal, ...]
    unaware: frozenset[str]
    columns: Mapping[str, tuple[int, ...]]
    notes: tuple[str, ...]

    def groups(self, names: Sequence[str]) -> tuple[Group, ...]:
        """The jobs of some models, by the samples that they share."""
        jobs: dict[SampleReference, list[BuildJob]] = {}
        for job in self.jobs:
            if job.name in names:
                jobs.setdefault(job.samples, []).append(job)
        return tuple(Group(samples=key, jobs=tuple(group)) for key, group in jobs.items())


def plan_jobs(
    requests: Sequence[ModelRequest], classes: BuildClasses, options: BuildOptions
) -> BuildPlan:
    """One job for each model whose SPEC and preprocessing can be made out; nothing is built."""
    data, columns = classes.data, dict(classes.columns)
    if options.columns is not None:
        columns = {request.name: options.columns for request in requests}
    foreign = {refusal.name for refusal in classes.refusals}
    default = Preprocessing.load(options.preprocessing) if options.preprocessing else None
    jobs: list[BuildJob] = []
    models: list[Planned] = []
    refusals: list[ModelRefusal] = list(classes.refusals)
    unaware: set[str] = set()
    for request in requests:
        if request.name in foreign:
            continue
        try:
            source = source_model(request.spec, base=request.base)
            wanted = preprocessing_of(source, default) if data.is_image else None
            files = files_of_spec(request.spec, base=request.base)
        except EncasError as cause:
            refusals.append(refusal_of(request, cause))
            continue
        if data.is_image and source.preprocessing is None:
            unaware.add(request.name)
        jobs.append(_job(request, wanted, data, options, columns.get(request.name)))
        models.append(
            Planned(
                name=request.name,
                spec=request.spec,
                preprocessing=_json_of(wanted) if wanted else {},
                files=(*map(sha256_of, files), *_arrangement(classes.columns.get(request.name))),
            )
        )
    return BuildPlan(
        jobs=tuple(jobs),
        models=tuple(models),
        refusals=tuple(refusals),
        unaware=frozenset(unaware),
        columns=columns,
        notes=classes.notes,
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


def _arrangement(columns: tuple[int, ...] | None) -> tuple[str, ...]:
    """What tells outputs that are arranged otherwise apart, as a further file would."""
    return () if columns is None else (hashlib.sha256(repr(columns).encode()).hexdigest(),)


def _json_of(preprocessing: Preprocessing) -> dict[str, Any]:
    values = asdict(preprocessing).items()
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values}


def _job(
    request: ModelRequest,
    preprocessing: Preprocessing | None,
    data: DataSource,
    options: BuildOptions,
    columns: tuple[int, ...] | None,
) -> BuildJob:
    plan = pixel_steps(preprocessing) if preprocessing else None
    return BuildJob(
        name=request.name,
        spec=request.spec,
        base=request.base,
        preprocessing=preprocessing,
        n_classes=data.n_classes,
        columns=columns,
        settings=options.settings,
        samples=SampleReference(file=None, data=data.name, rows=options.rows, plan=plan),
    )
