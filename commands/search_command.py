"""`encas search`: a pool in, a front out."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from ..errors import FrontError
from ..fronts.front import Front
from ..latency import LatencyProfile
from ..pools.pool import Pool
from ..runtime.bench import profiled_sizes
from ..runtime.placement import Placement
from ..search.algorithms import ALGORITHMS, AUTO
from ..search.finder import search_pool
from ..search.options import SearchOptions
from .console import emit, json_option, note, shown_progress
from .front_command import front_table

INTERRUPTED = 130
LATENCY = "latency"


@click.command()
@click.argument("folder", metavar="POOL", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Front to write.")
@click.option(
    "--evaluations", type=int, help="End after so many [default: 100,000; exact ends by itself]."
)
@click.option("--seconds", type=float, help="End after so much wall time.")
@click.option("--stagnation", type=int, help="End after so many without progress.")
@click.option("--max-members", default=5, show_default=True, help="Members of a cascade, at most.")
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--algorithm",
    default=AUTO,
    show_default=True,
    help=f"{', '.join(sorted(ALGORITHMS))}; auto takes the best one and says which.",
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    default=("macs",),
    show_default=True,
    help="Cost besides the error: macs, params, latency, cost_<name>; may be repeated.",
)
@click.option(
    "--metric", default="top1", show_default=True, help="top1, balanced, macro-f1 or cost:FILE."
)
@click.option("--confidence", default="max_probability", show_default=True)
@click.option(
    "--mode",
    type=click.Choice(["cascade", "ensemble"]),
    default="cascade",
    show_default=True,
    help="An ensemble never exits early.",
)
@click.option("--profile", type=click.Path(path_type=Path), help="Measured times, for latency.")
@click.option("--batch-size", default=1, show_default=True, help="Rows per batch, for latency.")
@click.option(
    "--device",
    help="Evaluate there [default: cpu]. By latency: measure there first what --profile lacks.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Of a model that is measured.")
@click.option(
    "--warm-start",
    metavar="FRONT.json",
    type=click.Path(path_type=Path),
    help="Start from the cascades of an earlier front, whatever its costs were.",
)
@click.option("--resume", is_flag=True, help="Continue from the checkpoint beside the front.")
@json_option
def search(  # noqa: PLR0913 - one argument for each option
    folder: Path,
    *,
    out: Path,
    profile: Path | None,
    device: str | None,
    threads: int | None,
    warm_start: Path | None,
    resume: bool,
    as_json: bool,
    **options: object,
) -> None:
    """Search a pool for the trade-off front of its cascades.

    Ctrl-C, or the end of the budget, leaves a valid front of what was found; --resume goes on
    from there, also after a crash.

    Example: encas search pool --out front.json --evaluations 100000 --seed 1

    Example: encas search pool --out front.json --objective latency --device cpu --batch-size 8
    """
    is_measuring = device is not None and LATENCY in cast(tuple[str, ...], options["objectives"])
    options["device"] = "cpu" if is_measuring else device or "cpu"
    asked = SearchOptions(**options)  # type: ignore[arg-type]  # click has parsed them
    if not out.resolve().parent.is_dir():
        raise FrontError("no such folder to write the front to", where=str(out.parent))
    pool = Pool.load(folder)
    if device is not None and is_measuring:
        profile = profile or out.with_name(f"{out.stem}.profile.json")
        _measure(folder, profile, asked.batch_size, Placement(device=device, n_threads=threads))
    with shown_progress() as show:
        found = search_pool(
            pool,
            asked,
            profile=LatencyProfile.load(profile) if profile else None,
            warm_start=Front.load(warm_start) if warm_start else None,
            checkpoint=out.with_name(f"{out.name}.checkpoint.npz"),
            resume=resume,
            on_progress=show,
        )
    found.front.save(out)
    emit(as_json, found.front.to_json(), front_table(found.front))
    if found.interrupted:
        note(f"Interrupted: {out} holds what was found; go on with --resume")
        raise click.exceptions.Exit(INTERRUPTED)


def _measure(folder: Path, profile: Path, batch_size: int, placement: Placement) -> None:
    """Adds to a profile what predictions at a batch size need and it does not know yet."""
    from ..jobs import measure_latency as job  # noqa: PLC0415 - needs onnxruntime

    with shown_progress() as show:
        measured = job.profile_path(
            folder,
            profiled_sizes(batch_size),
            out=profile,
            options=job.MeasureOptions(placement=placement, protocol=job.PATIENT),
            on_progress=show,
        )
    note(f"{profile}: {len(measured.timings)} times of {len(measured.members)} models")
