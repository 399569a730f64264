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
from .option_texts import option

path_type = click.Path(path_type=Path)
SETTINGS = ("iterations", "archive_size", "evaluations", "epochs", "warm_up_epochs")


def shared_options(command: Command) -> Command:
    """The options of `encas nat` and `encas nat joint`."""
    for each in (
        json_option,
        option("--resume", is_flag=True),
        option("--seed", default=0, show_default=True),
        option("--precision", type=click.Choice(["float32", "float16", "bfloat16"])),
        option("--device", default="cpu", show_default=True),
        option("--learning-rate", type=float),
        option("--training-batch-size", "batch_size", type=click.IntRange(min=2)),
        option("--warm-up-epochs", type=int),
        option("--epochs", type=int),
        option("--surrogate-evaluations", "evaluations", type=int),
        option("--archive-size", type=int),
        option("--iterations", type=int),
        option("--preset", type=click.Choice(sorted(PRESETS))),
        option("--download", is_flag=True),
        option("--preprocessing", type=path_type),
        option("--size", default=32, show_default=True),
        option("--samples", "n_train", type=int),
        option("--search-share", default=0.2, show_default=True),
        option("--search-data"),
        option("--out", type=path_type, required=True),
        option("--data", required=True),
    ):  # fmt: skip
        command = each(command)
    return command


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
