"""What every command shares: results on stdout, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..cascade import Cascade
from ..files import json_text
from ..fronts.front import Front
from .option_texts import option

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = option("--json", "as_json", is_flag=True)


def emit(as_json: bool, value: Mapping[str, Any], text: RenderableType) -> None:
    """Prints a result: `value` as JSON, or `text` for a person."""
    if as_json:
        click.echo(json_text(dict(value)), nl=False)
    else:
        width = None if sys.stdout.isatty() else 120
        Console(file=sys.stdout, width=width, highlight=False).print(text)


def note(text: str) -> None:
    """Prints a line for a person on stderr."""
    click.echo(text, err=True)


@contextmanager
def progress(description: str, total: float | None) -> Generator[Callable[[float], None]]:
    """A progress bar on stderr; yields a function that takes the amount done so far."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=total)
        yield lambda done: bar.update(task, completed=done)


def selection_options(command: Command) -> Command:
    """The options that choose one cascade of a front."""
    for each in (
        option("--knee", is_flag=True),
        option("--max-latency-ms", type=float),
        option("--max-cost", type=float),
        option("--min-accuracy", type=float),
    ):
        command = each(command)
    return command


def taken_limits(limits: Mapping[str, Any], front: Front, *, other: str = "") -> dict[str, Any]:
    """What `selection_options` were given; of a front of one cascade, that one needs no words.

    Args:
        limits: the options' values.
        front: what is chosen from.
        other: another option of the command that names a cascade.

    Raises:
        UsageError: nothing was given.
    """
    if any(value is not None and value is not False for value in limits.values()):
        return dict(limits)
    if len(front) == 1:
        return {"knee": True}
    raise click.UsageError(
        f"say which of {len(front)} cascades: --min-accuracy, --max-cost, --max-latency-ms or "
        f"--knee{other}"
    )


def cascade_text(cascade: Cascade) -> str:
    """A cascade in a line: its members in order, each with its threshold."""
    return str(cascade)
