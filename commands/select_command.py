"""`encas select`: choose one cascade of a front, and certify it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..fronts.cascade_choice import Demand, make_choice
from ..fronts.front import Front
from ..latency import LatencyProfile
from ..pools.pool import Pool
from .console import Notes, emit, json_option, selection_options, shown_progress, taken_limits
from .option_texts import option


@click.command()
@click.argument("file", metavar="FRONT.json", type=click.Path(path_type=Path))
@selection_options
@option(
    "--certify",
    metavar="POOL",
    type=click.Path(path_type=Path),
)
@option("--risk", default=0.05, show_default=True)
@option(
    "--max-drop",
    type=float,
)
@option(
    "--reference-model",
    metavar="NAME",
)
@option(
    "--population-only",
    is_flag=True,
)
@option("--profile", type=click.Path(path_type=Path))
@option("--out", type=click.Path(path_type=Path))
@json_option
def select(  # noqa: PLR0913 - one argument for each option
    file: Path,
    *,
    certify: Path | None,
    risk: float,
    max_drop: float | None,
    reference_model: str | None,
    population_only: bool,
    profile: Path | None,
    out: Path | None,
    as_json: bool,
    **limits: Any,
) -> None:
    """Print the one cascade of a front that fits best; exit 1 if none does.

    With a lower limit of accuracy: the cheapest. With upper limits alone: the most accurate. With
    --knee: the best compromise. What the next cheaper and the next more accurate cascade would
    change is printed with it.

    Example: encas select front.json --min-accuracy 0.95 --certify held_out --max-drop 0.01
    """
    if certify is None and max_drop is not None:
        raise click.UsageError("--max-drop needs --certify POOL")
    if max_drop is None and (reference_model is not None or population_only):
        raise click.UsageError("--reference-model and --population-only need --max-drop")
    demand = None
    if certify is not None:
        demand = Demand(
            pool=Pool.load(certify),
            risk=risk,
            max_drop=max_drop,
            reference_model=reference_model,
            population_only=population_only,
            profile=LatencyProfile.load(profile) if profile else None,
        )
    front = Front.load(file)
    limits = taken_limits(limits, front)
    notes = Notes()
    with shown_progress("certifying" if demand else "choosing"):
        choice = make_choice(front, demand=demand, on_note=notes, **limits)
    if out is not None:
        choice.front.save(out)
    emit(as_json, choice.to_json() | notes.to_json(), "\n".join(choice.lines()))
