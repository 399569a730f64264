"""`encas front` and `encas select`: look at a front, score it elsewhere, choose from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ..latency import LatencyProfile
from ..search.front import Front
from ..search.objectives import front_costs
from ..search.pool import Pool
from ..search.scoring import evaluate_front
from ..search.selection import choose, cost_text
from ..search.statistics import wilson_interval
from .console import emit, json_option, selection_options


@click.group()
def front() -> None:
    """Fronts: cascades that do not dominate each other."""


@front.command()
@click.argument("file", metavar="FRONT.json", type=click.Path(path_type=Path))
@json_option
def show(file: Path, as_json: bool) -> None:
    """Show the cascades of a front, the cheapest first.

    Example: encas front show front.json
    """
    loaded = Front.load(file)
    emit(as_json, loaded.to_json(), front_table(loaded))


@front.command()
@click.argument("file", metavar="FRONT.json", type=click.Path(path_type=Path))
@click.argument("folder", metavar="POOL", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Front to write.")
@click.option("--profile", type=click.Path(path_type=Path), help="For a latency front.")
@json_option
def evaluate(file: Path, folder: Path, out: Path, profile: Path | None, as_json: bool) -> None:
    """Score the cascades of a front on the samples of another pool.

    The cascades and their order stay, so that index I is the same cascade in both files.

    Example: encas front evaluate front.json test_pool --out front_test.json
    """
    loaded, pool = Front.load(file), Pool.load(folder)
    costs = front_costs(
        loaded.objectives,
        pool,
        profile=LatencyProfile.load(profile) if profile else None,
        batch_size=loaded.batch_size,
    )
    scored = evaluate_front(loaded, pool, costs)
    scored.save(out)
    emit(as_json, scored.to_json(), front_table(scored))


@click.command()
@click.argument("file", metavar="FRONT.json", type=click.Path(path_type=Path))
@selection_options
@json_option
def select(file: Path, as_json: bool, **limits: Any) -> None:
    """Print the one cascade of a front that fits best; exit 1 if none does.

    With a lower limit of accuracy: the cheapest. With upper limits alone: the most accurate. With
    --knee, or no limit: the knee.

    Example: encas select front.json --min-accuracy 0.95
    """
    loaded = Front.load(file)
    index = choose(loaded, **limits)
    scored = loaded.cascades[index]
    n_samples = loaded.pool.n_samples
    low, high = wilson_interval(round(scored.accuracy * n_samples), n_samples)
    value = loaded.to_json()["cascades"][index] | {
        "index": index,
        "accuracy": scored.accuracy,
        "interval": [low, high],
        "n_samples": n_samples,
        "objective": loaded.objectives[1],
    }
    cascade = scored.cascade
    lines = [
        f"cascade {index} of {len(loaded.cascades)}: accuracy {scored.accuracy:.4f} "
        f"({low:.4f} .. {high:.4f}, n = {n_samples}) at "
        f"{cost_text(scored.cost, loaded.objectives[1])}"
    ]
    for j, member in enumerate(cascade.members):
        exits = "answers the rest"
        if j < len(cascade.thresholds):
            exits = f"leaves above {cascade.thresholds[j]:g}"
        lines.append(f"  stage {j + 1}: {member}, run by {scored.reach[j]:.1%}, {exits}")
    emit(as_json, value, "\n".join(lines))


def front_table(loaded: Front) -> Table:
    """A front as a table for people."""
    title = (
        f"{len(loaded.cascades)} cascades on {loaded.pool.name} "
        f"({loaded.pool.n_samples} samples), {' against '.join(loaded.objectives)}"
    )
    table = Table(title=title, title_justify="left")
    for column in ("index", "accuracy", "cost"):
        table.add_column(column, justify="right")
    table.add_column("members (threshold)", overflow="fold")
    for index, scored in enumerate(loaded.cascades):
        cascade = scored.cascade
        gates = [f" ({t:g})" for t in cascade.thresholds] + [""]
        stages = [m + gate for m, gate in zip(cascade.members, gates, strict=True)]
        cost = cost_text(scored.cost, loaded.objectives[1])
        table.add_row(str(index), f"{scored.accuracy:.4f}", cost, " > ".join(stages))
    return table
