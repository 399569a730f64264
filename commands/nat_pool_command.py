"""`encas nat pool`: the subnets of runs as a pool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..nat.pooling import (
    chosen_subnets,
    distinct_subnets,
    lacking,
    load_runs,
    samples_of,
    write_subnets,
)
from .console import json_option, note, shown_progress
from .option_texts import option
from .pool_build_command import run_and_show, run_options

path_type = click.Path(path_type=Path)


@click.command()
@click.argument("folders", metavar="RUN...", nargs=-1, required=True, type=path_type)
@option("--data")
@option("--train-data")
@option("--out", required=True, type=path_type)
@option("--archive", is_flag=True)
@option("--per-run", type=click.IntRange(min=1))
@run_options
@json_option
def pool(
    folders: tuple[Path, ...],
    data: str | None,
    train_data: str | None,
    out: Path,
    archive: bool,
    per_run: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a pool of the front subnets of runs.

    `encas nat run` and `encas nat joint` make the runs. Each subnet is cut out of the weights of
    its run, gets BatchNorm statistics of its own from the run's training samples, and is stored
    in RUN/subnets; then all of them answer DATA. The pool is like any other: search it, export
    from it. DATA may hold no sample that a run was trained on. After Ctrl-C or a crash, the same
    command goes on where it was.

    Example: encas nat pool run --out pool

    Example: encas nat pool run_a run_b --data test.zip --held-out test_pool --out pool
    """
    with shown_progress("reading the runs and their samples"):
        runs = load_runs(folders)
        samples = samples_of(runs, data, train=train_data)
    chosen = chosen_subnets(runs, archive=archive, limit=per_run)
    subnets = distinct_subnets(chosen)
    if len(subnets) < len(chosen):
        note(f"{len(chosen) - len(subnets)} subnets come once: two runs have the same")
    missing = lacking(subnets)
    if missing:
        with shown_progress("cutting subnets out") as show:
            write_subnets(missing, train=train_data, device=options["device"], on_progress=show)
    requests = [subnet.request for subnet in subnets]
    run_and_show(requests, out, as_json=as_json, data=samples.data, rows=samples.rows, **options)
