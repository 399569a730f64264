"""`tune`: the door to the whole circle; onnx and numba are imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...class_names import OnNote, unnoted
from ...pools.pool import Pool, given_pool
from ...progress import OnProgress, unheard
from ...runtime.clock import StabilityProtocol
from ...runtime.placement import Placement
from ..measure_latency import PATIENT, MeasureOptions

if TYPE_CHECKING:
    from ...export.onnx_export import Exporter
    from .tune_report import TuneReport


def tune(  # noqa: PLR0913 - one keyword for each option
    pool: Pool | str | Path,
    *,
    out: str | Path,
    batch_size: int = 1,
    data: str | Path | None = None,
    device: str = "cpu",
    n_threads: int | None = None,
    evaluations: int | None = None,
    seconds: float | None = None,
    max_members: int = 5,
    seed: int = 0,
    algorithm: str = "auto",
    every_model: bool = False,
    n_measured: int = 10,
    n_exported: int = 3,
    rounds: int = 4,
    tolerance: float = 0.05,
    exporter: Exporter = "dynamo",
    gpu_memory_bytes: int | None = None,
    cuda_graphs: bool = False,
    protocol: StabilityProtocol | None = None,
    on_note: OnNote = unnoted,
    on_progress: OnProgress = unheard,
) -> TuneReport:
    """Tunes a pool for a device: everything that is found lies in the folder `out` at the end.

    front_macs.json, front_latency.json (predicted), front.json (measured), profile.json, bundles/,
    report.html, tune.json, and pool/ where outputs were computed again on the device.

    Args:
        pool: the pool, or its folder; its models have SPECs.
        out: the folder to fill; a profile that lies there is gone on with.
        batch_size: rows per batch that the latency is for.
        data: the DATA that the pool, or one that it is a part of, was built on; by default what the
            pool says.
        device: "cpu", "cuda:0", "tensorrt:0", ...
        n_threads: intra-operator threads; None: every processor there is.
        evaluations: of each search; None: the algorithm's own.
        seconds: of each search, at most.
        max_members: members of a cascade, at most.
        seed: of the searches.
        algorithm: as of `find_front`.
        every_model: measure all models of the pool, not only those that matter.
        n_measured: cascades of the front by MACs that are measured, and their rivals.
        n_exported: bundles that are made at the end, at most.
        rounds: turns of measuring and correcting, at most.
        tolerance: the median relative error of the prediction at which it is good enough.
        exporter: of torch modules, "dynamo" or "legacy".
        gpu_memory_bytes: the most memory of a GPU for each session; None: no limit.
        cuda_graphs: replay each batch size as one CUDA graph.
        protocol: when a measurement counts; None: with patience.
        on_note: hears how the classes of the data were matched.
        on_progress: hears of every step.

    Raises:
        EncasError: a step failed; what came before it stays.
    """
    from ...search.options import SearchOptions  # noqa: PLC0415 - needs numba
    from .tune_flow import run_tuning  # noqa: PLC0415 - needs onnx
    from .tune_settings import TuneSettings  # noqa: PLC0415 - likewise

    placement = Placement(
        device=device,
        n_threads=n_threads,
        gpu_memory_bytes=gpu_memory_bytes,
        cuda_graphs=cuda_graphs,
    )
    settings = TuneSettings(
        batch_size=batch_size,
        measuring=MeasureOptions(
            placement=placement, protocol=protocol or PATIENT, exporter=exporter
        ),
        searching=SearchOptions(
            evaluations=evaluations,
            seconds=seconds,
            max_members=max_members,
            seed=seed,
            algorithm=algorithm,
        ),
        every_model=every_model,
        n_measured=n_measured,
        n_exported=n_exported,
        rounds=rounds,
        tolerance=tolerance,
    )
    return run_tuning(
        given_pool(pool),
        Path(out),
        settings=settings,
        on_note=on_note,
        on_progress=on_progress,
        data=None if data is None else str(data),
    )
