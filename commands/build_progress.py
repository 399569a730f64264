"""The bars of `encas pool build`: all models, each model that runs, the images being decoded."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..search.build_job import Answer
from ..search.build_run import Watcher
from ..search.sources.catalogue import Refusal

SPEED_PERIOD_S = 600


class Bars(Watcher):
    """Shows a build's progress on stderr: a bar for each running model, one for all."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True, highlight=False),
            speed_estimate_period=SPEED_PERIOD_S,
        )
        self._n_samples = 0
        self._all = self._bars.add_task("models", total=None)
        self._decoding: TaskID | None = None
        self._running: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def begins(self, n_models: int, n_done: int, n_samples: int) -> None:
        """See `Watcher.begins`."""
        self._n_samples = n_samples
        self._bars.update(self._all, total=n_models, completed=n_done)
        if n_done:
            self._say(f"{n_done} of {n_models} models are there already")

    def decodes(self, n: int) -> None:
        """See `Watcher.decodes`."""
        if self._decoding is None:
            self._decoding = self._bars.add_task("decoding images", total=self._n_samples)
        self._bars.advance(self._decoding, n)
        if self._bars.tasks[self._bars.task_ids.index(self._decoding)].finished:
            self._bars.remove_task(self._decoding)
            self._decoding = None

    def starts(self, name: str) -> None:
        """See `Watcher.starts`."""
        self._running[name] = self._bars.add_task(name, total=self._n_samples)

    def runs(self, name: str, n: int) -> None:
        """See `Watcher.runs`."""
        self._bars.advance(self._running[name], n)

    def stores(self, answer: Answer, accuracy: float) -> None:
        """See `Watcher.stores`."""
        speed = self._n_samples / answer.seconds
        self._say(f"{answer.name}: accuracy {accuracy:.4f}, {speed:,.0f} images/s")
        self._ends(answer.name)

    def refuses(self, refusal: Refusal) -> None:
        """See `Watcher.refuses`."""
        self._say(f"[red]failed[/red] {refusal.name}: {refusal.reason.splitlines()[0]}")
        self._ends(refusal.name)

    def _ends(self, name: str) -> None:
        task = self._running.pop(name, None)
        if task is not None:
            self._bars.remove_task(task)
            self._bars.advance(self._all)

    def _say(self, text: str) -> None:
        self._bars.console.print(text, soft_wrap=True)
