"""What the commands of `encas nat` share: options and settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import click

from ..data.preprocessing import Preprocessing
from ..nat.nat_session import Origin
from ..nat.nat_settings import PRESETS, NatSettings
from ..nat.task import DataPlan
from ..pools.models.run_settings import Precision
from .console import Command, json_option

path_type = click.Path(path_type=Path)
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
        click.option("--archive", "archive_size", type=int, help="Subnets (or cascades) at first."),
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
