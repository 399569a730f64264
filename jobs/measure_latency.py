"""Measuring what a user names, a pool or a bundle: where pools meet the profiler."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..data.open_data import open_bundle_samples
from ..data.samples import Batch
from ..data.splits import limited_rows
from ..errors import ProfileError
from ..latency import LatencyProfile
from ..manifest import MANIFEST_FILE, Manifest
from ..pools.pool import Pool, given_pool
from ..progress import OnProgress, counted, unheard
from ..runtime.bench import Bench, batches_of, bench, profiled_sizes
from ..runtime.clock import DEFAULT_PROTOCOL, StabilityProtocol
from ..runtime.executor import Predictor
from ..runtime.loading import Backend, load, open_member
from ..runtime.placement import DEFAULT_PLACEMENT, Placement
from ..runtime.profiler import Measuring, Target, profile_members
from ..runtime.session import random_batch
from ..work import drive

if TYPE_CHECKING:
    from ..export.onnx_export import Exporter

RANDOM = "random"
RANDOM_SAMPLES = 256
# Where many models are measured, one busy second of the machine must not end it all.
PATIENT = StabilityProtocol(max_windows=100)
# A profile holds every raw time: writing all of it after each measurement would take longer than
# measuring does.
SAVE_EVERY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """Where and how times are measured.

    Args:
        placement: device, threads and memory.
        protocol: when a measurement counts.
        backend: how a whole cascade runs.
        exporter: for the torch modules of a pool.
    """

    placement: Placement = DEFAULT_PLACEMENT
    protocol: StabilityProtocol = DEFAULT_PROTOCOL
    backend: Backend = "staged"
    exporter: Exporter = "dynamo"


def profile_models(  # noqa: PLR0913 - what is measured, where and how
    pool_or_bundle: Pool | str | Path,
    *,
    out: str | Path,
    batch_sizes: Sequence[int] = (1, 8),
    device: str = "cpu",
    n_threads: int | None = None,
    models: Sequence[str] = (),
    data: str | Path | None = None,
    exporter: Exporter = "dynamo",
    gpu_memory_bytes: int | None = None,
    cuda_graphs: bool = False,
    protocol: StabilityProtocol | None = None,
    on_progress: OnProgress = unheard,
) -> LatencyProfile:
    """Measures the models of a pool, or the members of a bundle, and writes the profile.

    Args:
        pool_or_bundle: a pool, or the folder of a pool or bundle.
        out: the profile's file; what it knows already is not measured again.
        batch_sizes: rows per call.
        device: "cpu", "cuda:0", "tensorrt:0", ...
        n_threads: intra-operator threads; None: every processor there is.
        models: only these; empty: all.
        data: tells the shape of a sample where neither SPEC nor preprocessing does.
        exporter: of a pool's torch modules, "dynamo" or "legacy".
        gpu_memory_bytes: the most memory of a GPU for each session; None: no limit.
        cuda_graphs: replay each batch size as one CUDA graph.
        protocol: when a measurement counts; None: with patience.
        on_progress: hears how many times are known.

    Raises:
        ProfileError: a measurement did not settle, or `out` is of another setting.
        EncasError: a model cannot be exported or loaded.
    """
    placement = Placement(
        device=device,
        n_threads=n_threads,
        gpu_memory_bytes=gpu_memory_bytes,
        cuda_graphs=cuda_graphs,
    )
    options = MeasureOptions(placement=placement, protocol=protocol or PATIENT, exporter=exporter)
    with _targets(pool_or_bundle, options, None if data is None else str(data)) as targets:
        return profile_targets(
            _chosen(targets, models),
            batch_sizes,
            out=Path(out),
            options=options,
            on_progress=on_progress,
        )


def profile_targets(
    targets: Sequence[Target],
    batch_sizes: Sequence[int],
    *,
    out: Path,
    options: MeasureOptions,
    known: LatencyProfile | None = None,
    on_progress: OnProgress = unheard,
) -> LatencyProfile:
    """Measures models and writes the profile; see `profile_models`.

    Args:
        targets: the models.
        batch_sizes: rows per call.
        out: the profile; what it knows already is not measured again.
        options: where and how.
        known: what it begins with where it is not there yet.
        on_progress: hears how many times are known.
    """
    work = Measuring(targets, batch_sizes, known=known, protocol=options.protocol)
    file = ProfileFile(work, out)
    try:
        drive(work, keeper=file, on_progress=on_progress)
    finally:
        file.keep()
    assert work.profile is not None  # without a known profile something was missing
    return work.profile


class ProfileFile:
    """Keeps measured times in a profile; see `work.Keeper`.

    Args:
        work: what measures.
        path: the profile; it is written as soon as there is a time that it lacks.
    """

    every_s = SAVE_EVERY_S

    def __init__(self, work: Measuring, path: Path) -> None:
        self._work = work
        self._path = path
        self._kept = work.profile

    @property
    def advice(self) -> str:
        """See `Keeper.advice`."""
        return f"{self._path} holds the times so far: the same command goes on"

    def resume(self) -> None:
        """See `Keeper.resume`."""
        if self._path.exists():
            self._kept = LatencyProfile.load(self._path)
            self._work.restore(self._kept)

    def keep(self) -> bool:
        """See `Keeper.keep`."""
        profile = self._work.profile
        if profile is not None and profile is not self._kept:
            profile.save(self._path)
            self._kept = profile
        return True


def bench_bundle(  # noqa: PLR0913 - what is measured, where and how
    path: Path,
    batch_sizes: Iterable[int],
    *,
    options: MeasureOptions,
    data: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    profile: LatencyProfile | None = None,
    on_progress: OnProgress = unheard,
) -> list[Bench]:
    """Measures the composed cascade of a bundle and notes the times in its manifest.

    Args:
        path: the bundle.
        batch_sizes: rows per call.
        options: where and how.
        data: the samples whose exits are timed; without, random input.
        limit: time at most so many of them, a random part with the classes' shares.
        seed: of that part.
        profile: members' times to predict from; what it lacks is measured.
        on_progress: hears of the members' times and of the cascade's.

    Raises:
        ProfileError: a measurement did not settle, or the profile is of another setting.
        EncasError: the bundle or the data has faults.
    """
    sizes = sorted(set(batch_sizes))
    manifest = Manifest.load(path)
    placement = options.placement
    runner = load(
        path,
        device=placement.device,
        n_threads=placement.n_threads,
        backend=options.backend,
        gpu_memory_bytes=placement.gpu_memory_bytes,
        cuda_graphs=placement.cuda_graphs,
    )
    with _bundle_targets(path, options) as targets:
        wanted = {size for batch_size in sizes for size in profiled_sizes(batch_size)}
        profile = profile_members(
            targets, wanted, known=profile, protocol=options.protocol, on_progress=on_progress
        )
    results = []
    what = f"measuring {manifest.name}"
    for size in counted(sizes, what=what, unit="batch sizes", on_progress=on_progress):
        batches = _batches(path, runner, size, data, limit=limit, seed=seed)
        results.append(
            bench(
                runner,
                batches,
                profile,
                name=manifest.name,
                data=data or RANDOM,
                protocol=options.protocol,
            )
        )
        manifest = manifest.with_latency(results[-1].latency)
        manifest.save(path)
    return results


def _batches(
    path: Path, runner: Predictor, size: int, data: str | None, *, limit: int | None, seed: int
) -> list[Batch]:
    rng = np.random.default_rng(0)
    if data is None:
        n_samples = max(RANDOM_SAMPLES, size)
        rows = batches_of(n_samples, size, rng=rng)
        samples = {
            name: random_batch(info, n_samples, rng=rng) for name, info in runner.inputs.items()
        }
        return [{name: x[batch] for name, x in samples.items()} for batch in rows]
    dataset = open_bundle_samples(path, data)
    dataset = dataset.take(limited_rows(dataset.label, limit, seed=seed))
    return [dataset.arrays(batch) for batch in batches_of(dataset.n_samples, size, rng=rng)]


def _chosen(targets: Sequence[Target], models: Sequence[str]) -> list[Target]:
    names = [target.name for target in targets]
    lacking = [name for name in models if name not in names]
    if lacking:
        raise ProfileError(f"there is no model {', '.join(lacking)}; there are: {', '.join(names)}")
    return [target for target in targets if not models or target.name in models]


def _targets(
    what: Pool | str | Path, options: MeasureOptions, data: str | None
) -> AbstractContextManager[list[Target]]:
    if isinstance(what, (str, Path)) and (Path(what) / MANIFEST_FILE).is_file():
        return _bundle_targets(Path(what), options)
    from .pool_targets import pool_targets  # noqa: PLC0415 - a bundle is measured without onnx

    pool = given_pool(what)
    return pool_targets(pool, options.placement, exporter=options.exporter, data=data)


@contextmanager
def _bundle_targets(path: Path, options: MeasureOptions) -> Generator[list[Target]]:
    manifest = Manifest.load(path)
    yield [
        Target(
            name=member.name,
            open=partial(open_member, path, manifest, member, options.placement),
            sha256=member.sha256,
            source=member.source,
        )
        for member in manifest.members
    ]
