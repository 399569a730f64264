"""`encas search`: a pool in, a front out."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import FrontError
from ..fronts.front import Front
from ..latency import LatencyProfile
from ..pools.pool import Pool
from ..runtime.bench import profiled_sizes
from ..search.algorithms import ALGORITHMS, AUTO
from ..search.finder import search_pool
from ..search.options import SearchOptions
from .console import emit, json_option, note, shown_progress
from .front_command import front_summary
from .option_texts import option

INTERRUPTED = 130
LATENCY = "latency"


@click.command()
@click.argument("folder", metavar="POOL", type=click.Path(path_type=Path))
@option("--out", required=True, type=click.Path(path_type=Path))
@option("--evaluations", type=int)
@option("--seconds", type=float)
@option("--stagnation", type=int)
@option("--max-members", default=5, show_default=True)
@option("--seed", default=0, show_default=True)
@option(
    "--algorithm", type=click.Choice([AUTO, *sorted(ALGORITHMS)]), default=AUTO, show_default=True
)
@option(
    "--objective",
    "objectives",
    multiple=True,
    default=("macs",),
    show_default=True,
)
@option("--metric", default="top1", show_default=True)
@option("--confidence", default="max_probability", show_default=True)
@option(
    "--mode",
    type=click.Choice(["cascade", "ensemble"]),
    default="cascade",
    show_default=True,
)
@option("--profile", type=click.Path(path_type=Path))
@option("--batch-size", default=1, show_default=True)
@option("--device", default="cpu", show_default=True)
@option("--measure-on", metavar="DEVICE")
@option("--threads", "n_threads", type=click.IntRange(min=1))
@option(
    "--warm-start",
    metavar="FRONT.json",
    type=click.Path(path_type=Path),
)
@option("--resume", is_flag=True)
@json_option
def search(  # noqa: PLR0913 - one argument for each option
    folder: Path,
    *,
    out: Path,
    profile: Path | None,
    measure_on: str | None,
    n_threads: int | None,
    warm_start: Path | None,
    resume: bool,
    as_json: bool,
    **options: object,
) -> None:
    """Search a pool for the trade-off front of its cascades.

    Prints the best single model, the cheapest cascade as accurate and the most accurate one;
    `encas front show` lists all.

    Ctrl-C, or the end of the budget, leaves a valid front of what was found; --resume goes on
    from there, also after a crash.

    Example: encas search pool --out front.json --evaluations 100000 --seed 1

    By latency, times come from --profile; what it lacks is measured on --measure-on.

    Example: encas search pool --out front.json --objective latency --measure-on cpu
    --batch-size 8
    """
    asked = SearchOptions(n_threads=n_threads, **options)  # type: ignore[arg-type]  # click has parsed them
    if not out.resolve().parent.is_dir():
        raise FrontError("no such folder to write the front to", where=str(out.parent))
    pool = Pool.load(folder)
    if measure_on is not None:
        if LATENCY not in asked.objectives:
            raise click.UsageError("--measure-on goes with --objective latency")
        profile = profile or out.with_name(f"{out.stem}.profile.json")
        _measure(folder, profile, asked.batch_size, device=measure_on, n_threads=n_threads)
    with shown_progress(f"preparing to search {pool.name}") as show:
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
    emit(as_json, found.front.to_json(), front_summary(found.front, out))
    if found.interrupted:
        note(f"Interrupted: {out} holds what was found; go on with --resume")
        raise click.exceptions.Exit(INTERRUPTED)


def _measure(
    folder: Path, profile: Path, batch_size: int, *, device: str, n_threads: int | None
) -> None:
    """Adds to a profile what predictions at a batch size need and it does not know yet."""
    from ..jobs.measure_latency import profile_models  # noqa: PLC0415 - needs onnxruntime

    with shown_progress(f"opening the models of {folder}") as show:
        measured = profile_models(
            folder,
            batch_sizes=profiled_sizes(batch_size),
            out=profile,
            device=device,
            n_threads=n_threads,
            on_progress=show,
        )
    note(f"{profile}: {len(measured.timings)} times of {len(measured.members)} models")
    if measured.note:
        note(measured.note)
