"""`encas nat run`: a supernetwork adapted to data."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ..latency import LatencyProfile
from ..nat.designs import NAMES
from ..nat.nat_runs import NatRun
from ..nat.nat_session import Launch, Origin, transfer
from ..nat.subnet_latency import TimedSubnets
from .console import Notes, emit, note, shown_progress
from .nat_options import path_type, plan_of, settings_of, shared_options
from .option_texts import option


@click.command()
@option("--supernet", required=True, type=click.Choice(NAMES))
@option("--checkpoint", type=path_type)
@option(
    "--latency",
    metavar="PROFILE",
    type=path_type,
)
@option("--latency-batch-size", type=click.IntRange(min=1))
@shared_options
def run(supernet: str, checkpoint: Path | None, **given: Any) -> None:
    """Adapt a supernetwork to data, and find its best subnets.

    This is Neural Architecture Transfer. The run leaves the front of subnets and the weights they
    share; `encas nat pool` makes a pool of one run or several. After Ctrl-C, which lets the step
    under way end, or a crash, --resume goes on where it was; a second Ctrl-C breaks the step off.

    Example: encas nat run --supernet small-mobile --data digits:train --search-data digits:search
    --out run

    Example: encas nat run --supernet alphanet --checkpoint alphanet_pretrained.pth.tar --preset
    cifar10 --data cifar10:train --device cuda --out run
    """
    origin = Origin(supernet=supernet, checkpoint=checkpoint)
    settings = settings_of([origin], given)
    timed = timed_of(given)
    notes = Notes()
    with shown_progress("preparing the supernetwork") as show:
        found = transfer(
            origin,
            plan_of(given),
            settings,
            given["out"],
            launch=Launch(**{key: given[key] for key in ("seed", "device", "resume")}),
            timed=timed,
            on_note=notes,
            on_progress=show,
        )
    emit(given["as_json"], run_json(found) | notes.to_json(), run_table(found))
    note(f"{found.folder}: `encas nat pool {found.folder} --out POOL` makes a pool of it")


def timed_of(given: dict[str, Any]) -> TimedSubnets | None:
    """The times that the options name, None where none are wanted."""
    file, batch_size = given["latency"], given["latency_batch_size"]
    if file is None and batch_size is not None:
        raise click.UsageError("--latency-batch-size goes with --latency PROFILE")
    return (
        None
        if file is None
        else TimedSubnets(profile=LatencyProfile.load(file), batch_size=batch_size)
    )


def run_json(run: NatRun) -> dict[str, Any]:
    """A run's result for machines."""
    last = run.history[-1]
    front = [run.scored(genome) for genome in run.front]
    return {
        "folder": str(run.folder),
        "supernet": run.supernet,
        "n_search": run.data.n_search,
        "cost": run.cost,
        "hypervolume": last.hypervolume,
        "latency": run.settings.get("latency"),
        "front": [asdict(subnet) for subnet in front],
    }


def run_table(run: NatRun) -> Table:
    """A run's front for people."""
    times = run.settings.get("latency")
    title = f"{run.supernet}: front of {run.folder}"
    columns = ["subnet", "error", "MACs"]
    if times:
        columns.append(f"ms for {times['batch_size']}")
        title += f"; times predicted, {times['median_error']:.1%} off in the median"
    table = Table(*columns, title=title)
    for genome in run.front:
        subnet = run.scored(genome)
        time = [] if subnet.latency_ms is None else [f"{subnet.latency_ms:.4g}"]
        table.add_row(genome, f"{subnet.error:.4f}", f"{subnet.macs:,.0f}", *time)
    return table
