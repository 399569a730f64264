"""`encas front`: look at a front, score it elsewhere."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from ..evaluate.class_metrics import TOP1
from ..fronts.front import Front
from ..fronts.scoring import evaluate_front
from ..fronts.selection import cost_text
from ..intervals import wilson_interval
from ..latency import LatencyProfile
from ..pools.pool import Pool
from .console import Notes, emit, json_option, shown_progress
from .option_texts import option


@click.command()
@click.argument("file", metavar="FRONT.json", type=click.Path(path_type=Path))
@json_option
def show(file: Path, as_json: bool) -> None:
    """Show the cascades of a front, the cheapest first.

    Example: encas front show front.json
    """
    loaded = Front.load(file)
    emit(as_json, loaded.to_json(), front_table(loaded))


@click.command()
@click.argument("file", metavar="FRONT.json", type=click.Path(path_type=Path))
@click.argument("folder", metavar="POOL", type=click.Path(path_type=Path))
@option("--out", required=True, type=click.Path(path_type=Path))
@option("--profile", type=click.Path(path_type=Path))
@json_option
def evaluate(file: Path, folder: Path, out: Path, profile: Path | None, as_json: bool) -> None:
    """Score the cascades of a front on the samples of another pool.

    The cascades and their order stay, so that index I is the same cascade in both files.

    Example: encas front evaluate front.json test_pool --out front_test.json
    """
    loaded_profile = LatencyProfile.load(profile) if profile else None
    notes = Notes()
    with shown_progress(f"scoring {file} on {folder}"):
        scored = evaluate_front(
            Front.load(file), Pool.load(folder), profile=loaded_profile, on_note=notes
        )
    scored.save(out)
    emit(as_json, scored.to_json() | notes.to_json(), front_summary(scored, out))


def front_summary(front: Front, file: Path) -> str:
    """Where a front is, and the three answers, for people."""
    n = len(front.cascades)
    where = f"{file}: {n} cascade{'' if n == 1 else 's'} on {front.pool.name}"
    if "algorithm" in front.search:
        where += f", found by {front.search['algorithm']}"
    answers = front.answers.lines() if front.answers is not None else []
    return "\n".join([f"{where}; `encas front show {file}` lists them", *answers])


def front_table(loaded: Front) -> Table:
    """A front as a table for people."""
    title = (
        f"{len(loaded.cascades)} cascades on {loaded.pool.name} "
        f"({loaded.pool.n_samples} samples), {' against '.join(loaded.objectives)}"
    )
    if "algorithm" in loaded.search:
        title += f", found by {loaded.search['algorithm']}"
    table = Table(title=title, title_justify="left")
    for column in ("index", "accuracy", "cost"):
        table.add_column(column, justify="right")
    table.add_column("members (threshold)", overflow="fold")
    for index, scored in enumerate(loaded.cascades):
        cost = cost_text(scored.cost, loaded.objectives[1])
        table.add_row(
            str(index), _accuracy_text(scored.accuracy, loaded), cost, str(scored.cascade)
        )
    return table


def _accuracy_text(accuracy: float, front: Front) -> str:
    """With its 95 % interval, where it is a share of right answers; the table's head has n."""
    if front.metric != TOP1:
        return f"{accuracy:.4f}"
    n_samples = front.pool.n_samples
    low, high = wilson_interval(round(accuracy * n_samples), n_samples)
    return f"{accuracy:.4f} ({low:.4f} .. {high:.4f})"
