"""The options of commands that run and measure models, and the values that they make."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar

import click

from ..runtime.clock import StabilityProtocol
from ..runtime.placement import Placement

Command = TypeVar("Command", bound=Callable[..., Any])

GIB = 2**30


def placement_options(command: Command) -> Command:
    """The options that say where a model runs; see `taken_placement`."""
    for option in (
        click.option(
            "--gpu-memory-gb", type=float, help="Of each session, at most; default: no limit."
        ),
        click.option("--cuda-graphs", is_flag=True, help="Replay each batch size as a CUDA graph."),
        click.option("--threads", type=click.IntRange(min=1), help="Default: all processors."),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda:N, tensorrt:N."),
    ):
        command = option(command)
    return command


def protocol_options(command: Command) -> Command:
    """The options that say when a measurement counts; see `taken_protocol`."""
    for option in (
        click.option(
            "--pace-ms",
            type=float,
            default=0.0,
            help="A pause before each call, as between requests; default: none, calls are hot.",
        ),
        click.option(
            "--max-windows",
            type=click.IntRange(min=3),
            default=10,
            show_default=True,
            help="Give up after so many windows that do not agree.",
        ),
        click.option(
            "--window",
            type=click.IntRange(min=1),
            default=25,
            show_default=True,
            help="Calls in a window.",
        ),
    ):
        command = option(command)
    return command


batch_sizes_option = click.option(
    "--batch-size",
    "batch_sizes",
    type=click.IntRange(min=1),
    multiple=True,
    required=True,
    help="Rows per call; give it once for each size.",
)
exporter_option = click.option(
    "--exporter",
    type=click.Choice(["dynamo", "legacy"]),
    default="dynamo",
    show_default=True,
    help="Of a pool's torch models.",
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
