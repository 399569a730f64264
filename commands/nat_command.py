"""`encas nat`: pools where no trained models exist yet, from a supernetwork."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.table import Table

from ..latency import LatencyProfile
from ..nat.designs import NAMES
from ..nat.nat_runs import NatRun
from ..nat.nat_session import Launch, Origin, transfer
from ..nat.subnet_latency import TimedSubnets
from .console import emit, note, shown_progress
from .nat_joint_command import front, joint
from .nat_options import path_type, plan_of, require, settings_of, shared_options
from .nat_pool_command import pool
from .nat_profile_command import profile


@click.group(invoke_without_command=True)
@click.option("--supernet", help=f"{', '.join(NAMES)}.")
@click.option("--checkpoint", type=path_type, help="Its weights, published or of an earlier run.")
@click.option(
    "--latency",
    metavar="PROFILE",
    type=path_type,
    help="Search for short times instead of few MACs; see `encas nat profile`.",
)
@click.option(
    "--latency-batch-size", type=click.IntRange(min=1), help="[default: the only one in PROFILE]"
)
@shared_options
@click.pass_context
def nat(
    context: click.Context, supernet: str | None, checkpoint: Path | None, **given: Any
) -> None:
    """Adapt a supernetwork to data, and find its best subnets (Neural Architecture Transfer).

    The run leaves the front of subnets and the weights they share; `encas nat pool` makes a
    pool of one run or several. After Ctrl-C, which lets the step under way end, or a
    crash, --resume goes on where it was; a second Ctrl-C breaks the step off.

    Example: encas nat --supernet small-mobile --data digits:train --search-data digits:search
    --out run

    Example: encas nat --supernet alphanet --checkpoint alphanet_pretrained.pth.tar --preset
    cifar10 --data cifar10:train --device cuda --out run
    """
    if context.invoked_subcommand is not None:
        refuse_options(context, context.invoked_subcommand)
        return
    require(supernet=supernet, data=given["data"], out=given["out"])
    assert supernet is not None
    origin = Origin(supernet=supernet, checkpoint=checkpoint)
    settings = settings_of([origin], given)
    timed = timed_of(given)
    with shown_progress() as show:
        run = transfer(
            origin,
            plan_of(given),
            settings,
            given["out"],
            launch=Launch(**{key: given[key] for key in ("seed", "device", "resume")}),
            timed=timed,
            on_progress=show,
        )
    emit(given["as_json"], run_json(run), run_table(run))
    note(f"{run.folder}: `encas nat pool {run.folder} --out POOL` makes a pool of it")


def refuse_options(context: click.Context, command: str) -> None:
    """Refuses options before a command's name: it has its own, and these would do nothing.

    Raises:
        click.UsageError: there are some.
    """
    for option in context.command.params:
        name = option.name or ""
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option.opts[0]} must stand behind `{command}`, if it has it")


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


for command in (front, joint, pool, profile):
    nat.add_command(command)
