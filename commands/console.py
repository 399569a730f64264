"""What every command shares: results on stdout, progress on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from ..files import json_text
from ..fronts.front import Front
from ..progress import OnProgress, Progress
from .option_texts import option

# Time left is estimated from so long: work that takes hours has pieces of very different speed.
SPEED_PERIOD_S = 600
# Without a terminal, a line for people who read a log later.
LINE_EVERY_S = 5.0
# A command that is done sooner need not say what it does.
SILENT_S = 2.0
BEAT_S = 0.5

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = option("--json", "as_json", is_flag=True)


def emit(as_json: bool, value: Mapping[str, Any], text: RenderableType) -> None:
    """Prints a result: `value` as JSON, or `text` for a person; lines stay lines."""
    if as_json:
        click.echo(json_text(dict(value)), nl=False)
    elif isinstance(text, str):
        click.echo(text)
    else:
        width = None if sys.stdout.isatty() else 120
        Console(file=sys.stdout, width=width, highlight=False).print(text)


def note(text: str) -> None:
    """Prints a line for a person on stderr."""
    click.echo(text, err=True)


class Notes:
    """Lines for a person, on stderr as soon as they come, and in the JSON of the result."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __call__(self, text: str, /) -> None:
        """Prints a line; the same one twice is one."""
        if text not in self._lines:
            self._lines.append(text)
            note(text)

    def to_json(self) -> dict[str, Any]:
        """What belongs beside a result; nothing where there were none."""
        return {"notes": list(self._lines)} if self._lines else {}


@contextmanager
def shown_progress(what: str = "") -> Generator[OnProgress]:
    """Shows on stderr how far work is; yields what hears of it, from any thread.

    On a terminal a bar for each task under way, and news above them. Elsewhere a line where a task
    begins and every few seconds, also while nothing is heard, and all news.

    Args:
        what: is being done, where nothing more may be heard for long; what takes less than two
            seconds need not be said.
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        lines = ProgressLines(note, clock=time.monotonic, what=what)
        with _beating(lines.beat):
            yield lines
        return
    bars = ProgressBars(console, is_transient=bool(what))
    if what:
        bars(Progress(what=what))
    with bars.display:
        yield bars


@contextmanager
def _beating(beat: Callable[[], object]) -> Generator[None]:
    """Calls a function every half second, by a thread of its own."""
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.wait(BEAT_S):
            beat()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


class ProgressBars:
    """A bar for each task; that of a task that is over goes, unless nothing else is under way.

    Args:
        console: where they are shown, while `display` is entered.
        is_transient: whether they go at the end.
    """

    def __init__(self, console: Console, *, is_transient: bool = False) -> None:
        self.display = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=SPEED_PERIOD_S,
            transient=is_transient,
        )
        self._lock = threading.Lock()
        self._bars: dict[str, TaskID] = {}
        self._latest: dict[str, Progress] = {}

    def __call__(self, progress: Progress, /) -> None:
        """Shows it."""
        with self._lock:
            if progress.news:
                self.display.console.print(progress.news, soft_wrap=True, markup=False)
            self._show(progress)

    def _show(self, progress: Progress) -> None:
        before = self._latest.get(progress.what)
        if before is not None and before.is_over and not progress.is_over:
            self._remove(progress.what)
        what = f"{progress.what}: {progress.text}" if progress.text else progress.what
        shown: dict[str, Any] = {
            "description": escape(what),
            "completed": progress.done,
            "total": progress.total,
        }
        if progress.what not in self._bars:
            self._bars[progress.what] = self.display.add_task(**shown, amount=amount_of(progress))
        else:
            bar = self._bars[progress.what]
            self.display.update(bar, **shown, amount=amount_of(progress))
        self._latest[progress.what] = progress
        if progress.is_over and any(not each.is_over for each in self._latest.values()):
            self._remove(progress.what)

    def _remove(self, what: str) -> None:
        self.display.remove_task(self._bars.pop(what))
        del self._latest[what]


class ProgressLines:
    """Plain lines: one where a task begins, one every few seconds, and all news.

    Args:
        say: takes a line.
        clock: gives seconds.
        what: is being done until more is heard; said once it takes two seconds.
    """

    def __init__(
        self, say: Callable[[str], object], *, clock: Callable[[], float], what: str = ""
    ) -> None:
        self._say = say
        self._clock = clock
        self._lock = threading.Lock()
        self._is_over: dict[str, bool] = {}
        self._whole = self._latest = Progress(what=what)
        self._began_at = self._said_at = clock()
        self._has_said = False

    def __call__(self, progress: Progress, /) -> None:
        """Says it, if there is something to say."""
        with self._lock:
            if progress.news:
                self._say(progress.news)
            begins = self._is_over.get(progress.what, True) and not progress.is_over
            begins = begins or progress.what not in self._is_over
            self._is_over[progress.what] = progress.is_over
            self._latest = progress
            if begins or self._clock() - self._said_at >= LINE_EVERY_S:
                self._said_at, self._has_said = self._clock(), True
                self._say(_line_of(progress))

    def beat(self) -> None:
        """Says again what is under way, and since when, where nothing was said for long."""
        with self._lock:
            is_between = self._latest.is_over and bool(self._whole.what)
            now, line = self._clock(), _line_of(self._whole if is_between else self._latest)
            is_due = now - self._said_at >= (LINE_EVERY_S if self._has_said else SILENT_S)
            if line and is_due:
                self._said_at, self._has_said = now, True
                self._say(f"{line} ({now - self._began_at:.0f} s)")


def _line_of(progress: Progress) -> str:
    return ": ".join(p for p in (progress.what, amount_of(progress), progress.text) if p)


def amount_of(progress: Progress) -> str:
    """How much is done, of how much; "" where nobody counts."""
    if progress.total is None and not progress.done:
        return ""
    total = "" if progress.total is None else f" of {progress.total:,.0f}"
    return f"{progress.done:,.0f}{total} {progress.unit}".rstrip()


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
