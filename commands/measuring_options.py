"""The options of commands that run and measure models, and the values that they make."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar

import click

from ..runtime.clock import StabilityProtocol
from ..runtime.placement import Placement
from .option_texts import option

Command = TypeVar("Command", bound=Callable[..., Any])

GIB = 2**30


def placement_options(command: Command) -> Command:
    """The options that say where a model runs; see `taken_placement`."""
    for each in (
        option("--gpu-memory-gb", type=float),
        option("--cuda-graphs", is_flag=True),
        option("--threads", type=click.IntRange(min=1)),
        option("--device", default="cpu", show_default=True),
    ):
        command = each(command)
    return command


def protocol_options(command: Command) -> Command:
    """The options that say when a measurement counts; see `taken_protocol`."""
    for each in (
        option(
            "--pace-ms",
            type=float,
            default=0.0,
        ),
        option(
            "--max-windows",
            type=click.IntRange(min=3),
            default=10,
            show_default=True,
        ),
        option(
            "--window",
            type=click.IntRange(min=1),
            default=25,
            show_default=True,
        ),
    ):
        command = each(command)
    return command


def limit_options(command: Command) -> Command:
    """The options that take a seeded random part of the data."""
    limit = option("--limit", type=click.IntRange(min=1))
    return limit(option("--seed", default=0, show_default=True)(command))


batch_sizes_option = option(
    "--batch-size",
    "batch_sizes",
    type=click.IntRange(min=1),
    multiple=True,
    required=True,
)
exporter_option = option(
    "--exporter",
    type=click.Choice(["dynamo", "legacy"]),
    default="dynamo",
    show_default=True,
)


def taken_placement(options: MutableMapping[str, Any]) -> Placement:
    """What `placement_options` were given, taken out of a command's options."""
    memory_gb = options.pop("gpu_memory_gb")
    return Placement(
        device=options.pop("device"),
        n_threads=options.pop("threads"),
        cuda_graphs=options.pop("cuda_graphs"),
        gpu_memory_bytes=None if memory_gb is None else int(memory_gb * GIB),
    )


def taken_protocol(options: MutableMapping[str, Any]) -> StabilityProtocol:
    """What `protocol_options` were given, taken out of a command's options."""
    return StabilityProtocol(
        window=options.pop("window"),
        max_windows=options.pop("max_windows"),
        pace_ms=options.pop("pace_ms"),
    )
