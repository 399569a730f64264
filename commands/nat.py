"""`encas nat`: pools where no trained models exist yet, from a supernetwork."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from ..runtime.preprocessing import Preprocessing
from ..search.nat.designs import NAMES
from ..search.nat.runs import NatRun
from ..search.nat.session import Launch, Origin, transfer
from ..search.nat.settings import PRESETS, NatSettings
from ..search.nat.task import DataPlan
from ..search.nat.transfer import Transfer
from ..search.sources.running import Precision
from .console import Command, emit, json_option, note
from .nat_pool import pool

path_type = click.Path(path_type=Path)
SPEED_PERIOD_S = 3600
SETTINGS = ("iterations", "archive_size", "evaluations", "epochs", "warm_up_epochs")


def shared_options(command: Command) -> Command:
    """The options of `encas nat` and `encas nat joint`."""
    for option in (
        json_option,
        click.option("--resume", is_flag=True, help="Go on where the run in --out was killed."),
        click.option("--seed", default=0, show_default=True),
        click.option("--precision", type=click.Choice(["float32", "float16", "bfloat16"]),
                     help="Of torch's arithmetic [default: float32; float16 on a GPU]."),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, ..."),
        click.option("--learning-rate", type=float, help="Of the rounds, at the start."),
        click.option("--batch-size", type=click.IntRange(min=2), help="Of the training."),
        click.option("--warm-up-epochs", type=int, help="Of the sandwich rule, before all rounds."),
        click.option("--epochs", type=int, help="Of training in each round."),
        click.option("--evaluations", type=int, help="Of the surrogate in each round."),
        click.option("--archive", "archive_size", type=int, help="Subnets to begin with."),
        click.option("--iterations", type=int, help="Rounds after the random subnets."),
        click.option("--preset", type=click.Choice(sorted(PRESETS)), help="Settings to begin with "
                     "[default: small for small supernetworks, otherwise cifar10]."),
        click.option("--download", is_flag=True, help="Fetch the data where it is not there."),
        click.option("--preprocessing", type=path_type, help="JSON, for images."),
        click.option("--size", default=32, show_default=True,
                     help="Side in pixels of images for small supernetworks."),
        click.option("--samples", "n_train", type=int, help="A stratified part to train on."),
        click.option("--search-share", default=0.2, show_default=True,
                     help="Part of --data to search on where there is no --search-data."),
        click.option("--search-data", help="DATA to measure errors on."),
        click.option("--out", type=path_type, help="Folder to make, or to go on with."),
        click.option("--data", help="DATA to train on: a folder, a zip, npz:FILE, cifar10, ..."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@click.option("--supernet", help=f"{', '.join(NAMES)}.")
@click.option("--checkpoint", type=path_type, help="Its weights, published or of an earlier run.")
@shared_options
@click.pass_context
def nat(
    context: click.Context, supernet: str | None, checkpoint: Path | None, **given: Any
) -> None:
    """Adapt a supernetwork to data, and find its best subnets (Neural Architecture Transfer).

    The run leaves the front of subnets and the weights they share; `encas nat pool` makes a
    pool of one run or several. After Ctrl-C or a crash, --resume goes on where it was.

    Example: encas nat --supernet small-mobile --data digits:train --search-data digits:search
    --out run

    Example: encas nat --supernet alphanet --checkpoint alphanet_pretrained.pth.tar --preset
    cifar10 --data cifar10:train --device cuda --out run
    """
    if context.invoked_subcommand is not None:
        return
    require(supernet=supernet, data=given["data"], out=given["out"])
    assert supernet is not None
    origin = Origin(supernet=supernet, checkpoint=checkpoint)
    settings = settings_of([origin], given)
    with rounds_bar(supernet) as show:
        run = transfer(
            origin,
            plan_of(given),
            settings,
            given["out"],
            launch=Launch(**{key: given[key] for key in ("seed", "device", "resume")}),
            on_step=show,
        )
    emit(given["as_json"], run_json(run), run_table(run))
    note(f"{run.folder}: `encas nat pool {run.folder} --out POOL` makes a pool of it")


def require(**options: object) -> None:
    """Refuses a call without one of the options, as click does.

    Raises:
        click.UsageError: one is missing.
    """
    for name, value in options.items():
        if not value:
            raise click.UsageError(f"Missing option '--{name}'.")


def plan_of(given: dict[str, Any]) -> DataPlan:
    """The data that the options name."""
    steps = given["preprocessing"]
    return DataPlan(
        train=given["data"],
        search=given["search_data"],
        search_share=given["search_share"],
        n_train=given["n_train"],
        size=given["size"],
        preprocessing=Preprocessing.load(steps) if steps else None,
        download=given["download"],
    )


def settings_of(origins: list[Origin], given: dict[str, Any]) -> NatSettings:
    """The settings of the preset with what the options change."""
    is_small = all(origin.supernet.startswith("small-") for origin in origins)
    settings = PRESETS[given["preset"] or ("small" if is_small else "cifar10")]
    changes = {key: given[key] for key in SETTINGS if given[key] is not None}
    if all(origin.checkpoint for origin in origins):
        changes = {"warm_up_epochs": 0} | changes
    precision = given["precision"] or ("float32" if given["device"] == "cpu" else "float16")
    training: dict[str, Any] = {"precision": cast(Precision, precision)}
    if given["batch_size"] is not None:
        training["batch_size"] = given["batch_size"]
    warm_up = replace(settings.warm_up, **training)
    if given["learning_rate"] is not None:
        training["learning_rate"] = given["learning_rate"]
    rounds = replace(settings.training, **training)
    return replace(settings, warm_up=warm_up, training=rounds, **changes)


@contextmanager
def rounds_bar(description: str) -> Generator[Any]:
    """A bar on stderr over the work of a run; yields what is told after every step."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, speed_estimate_period=SPEED_PERIOD_S) as bar:
        task, n_told = bar.add_task(description, total=None), 0

        def show(job: Transfer) -> None:
            nonlocal n_told
            bar.update(task, total=job.n_work, completed=job.n_done, description=job.stage)
            for each in job.history[n_told:]:
                bar.console.print(round_text(each), soft_wrap=True)
            n_told = len(job.history)

        yield show


def round_text(each: Any) -> str:
    """A round in a line."""
    quality = "" if each.tau is None else f", surrogate tau {each.tau:.2f}, rmse {each.rmse:.4f}"
    return (
        f"round {each.round}: {each.n_subnets} subnets, {each.n_new} new, best error "
        f"{each.best_error:.4f}, hypervolume {each.hypervolume:.4f}{quality}"
    )


def run_json(run: NatRun) -> dict[str, Any]:
    """A run's result for machines."""
    last = run.history[-1]
    front = [run.scored(genome) for genome in run.front]
    return {
        "folder": str(run.folder),
        "supernet": run.supernet,
        "n_search": run.data.n_search,
        "hypervolume": last.hypervolume,
        "front": [{"genome": s.genome, "error": s.error, "macs": s.macs} for s in front],
    }


def run_table(run: NatRun) -> Table:
    """A run's front for people."""
    table = Table("subnet", "error", "MACs", title=f"{run.supernet}: front of {run.folder}")
    for genome in run.front:
        subnet = run.scored(genome)
        table.add_row(genome, f"{subnet.error:.4f}", f"{subnet.macs:,.0f}")
    return table


nat.add_command(pool)
