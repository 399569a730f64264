"""`encas compare`: search algorithms over seeds, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ..fronts.contest import Contest, contest_of
from ..fronts.front import Front
from ..jobs.run_contest import ContestPlan, run_plan, seeds_of
from ..latency import LatencyProfile
from ..pools.pool import Pool
from ..reports.contest_page import SUMMARY_COLUMNS, summary_rows
from ..reports.contest_writing import write_contest
from ..search.options import SearchOptions
from .console import Notes, emit, json_option, shown_progress
from .option_texts import option

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("folder", metavar="POOL", type=PATH)
@option("--out", required=True, type=PATH)
@option("--algorithms", required=True)
@option("--seeds", default="1..10", show_default=True)
@option("--evaluations", type=int)
@option("--seconds", type=float)
@option("--max-members", default=5, show_default=True)
@option("--objective", default="macs", show_default=True)
@option("--mode", type=click.Choice(["cascade", "ensemble"]), default="cascade")
@option("--test-pool", metavar="POOL", type=PATH)
@option(
    "--reference",
    nargs=2,
    type=float,
    metavar="ERROR COST",
)
@option("--exact-front", metavar="FRONT.json", type=PATH)
@option("--profile", type=PATH)
@option("--batch-size", default=1, show_default=True)
@json_option
def compare(  # noqa: PLR0913 - one argument for each option
    folder: Path,
    *,
    out: Path,
    algorithms: str,
    seeds: str,
    objective: str,
    test_pool: Path | None,
    exact_front: Path | None,
    profile: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare search algorithms on one pool with one budget, over seeds.

    Writes comparison.html, comparison.json and PNG plots: hypervolume over evaluations and over
    time, median with the band from worst to best, on the test split, too; Wilcoxon tests; IGD+
    against the exact front. Stopped, it goes on with the runs that are missing.

    Example: encas compare pool --algorithms mo-gomea,nsga2,random --seeds 1..10 --out comparison
    """
    plan = ContestPlan(
        algorithms=tuple(algorithms.split(",")),
        seeds=seeds_of(seeds),
        options=SearchOptions(objectives=(objective,), **options),
    )
    notes = Notes()
    with shown_progress(f"comparing algorithms on {folder}") as show:
        runs = run_plan(
            Pool.load(folder),
            plan,
            folder=out,
            test=Pool.load(test_pool) if test_pool else None,
            profile=LatencyProfile.load(profile) if profile else None,
            on_note=notes,
            on_progress=show,
        )
    contest = contest_of(runs, exact=Front.load(exact_front) if exact_front else None)
    write_contest(contest, out)
    emit(as_json, contest.to_json() | notes.to_json(), _table(contest))


def _table(contest: Contest) -> Table:
    table = Table(title=f"hypervolume on {contest.pool}", title_justify="left")
    for column in SUMMARY_COLUMNS:
        table.add_column(column, justify="left" if column == "algorithm" else "right")
    for row in summary_rows(contest):
        table.add_row(*row)
    return table
