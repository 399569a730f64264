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

from ..pools.building.build_job import BuildAnswer
from ..pools.building.build_run import Watcher
from ..pools.models.model_requests import ModelRefusal

SPEED_PERIOD_S = 600


class Bars(Watcher):
    """Shows a build's progress on stderr: a bar for each running model, one for all.

    The bar of all counts samples, not models, so that the time left is known early on.
    """

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
        self._n_models = self._n_ended = self._n_samples = 0
        self._all: TaskID | None = None
        self._looking: TaskID | None = None
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

    def considers(self, name: str) -> None:
        """See `Watcher.considers`."""
        if self._looking is None:
            self._looking = self._bars.add_task("", total=None)
        self._bars.update(self._looking, advance=1, description=f"does {name} pass the filters?")

    def begins(self, n_models: int, n_kept: int, n_samples: int) -> None:
        """See `Watcher.begins`."""
        if self._looking is not None:
            self._bars.remove_task(self._looking)
            self._looking = None
        if n_kept:
            self._say(f"{n_kept} of {n_kept + n_models} models are there already")
        self._n_models, self._n_samples = n_models, n_samples
        self._all = self._bars.add_task("", total=n_models * n_samples)
        self._advance(0)

    def decodes(self, n: int) -> None:
        """See `Watcher.decodes`."""
        if self._decoding is None:
            self._decoding = self._bars.add_task("decoding images", total=self._n_samples)
        self._bars.advance(self._decoding, n)
        if self._n_done(self._decoding) >= self._n_samples:
            self._bars.remove_task(self._decoding)
            self._decoding = None

    def starts(self, name: str) -> None:
        """See `Watcher.starts`."""
        self._running[name] = self._bars.add_task(name, total=self._n_samples)

    def runs(self, name: str, n: int) -> None:
        """See `Watcher.runs`."""
        self._bars.advance(self._running[name], n)
        self._advance(n)

    def stores(self, answer: BuildAnswer, accuracy: float) -> None:
        """See `Watcher.stores`."""
        speed = self._n_samples / answer.seconds
        self._say(f"{answer.name}: accuracy {accuracy:.4f}, {speed:,.0f} images/s")
        self._ends(answer.name)

    def refuses(self, refusal: ModelRefusal) -> None:
        """See `Watcher.refuses`."""
        self._say(f"[red]failed[/red] {refusal.name}: {refusal.reason.splitlines()[0]}")
        self._ends(refusal.name)

    def _ends(self, name: str) -> None:
        task = self._running.pop(name, None)
        if task is None:
            return
        self._n_ended += 1
        self._advance(self._n_samples - self._n_done(task))
        self._bars.remove_task(task)

    def _advance(self, n: int) -> None:
        if self._all is not None:
            text = f"{self._n_ended} of {self._n_models} models"
            self._bars.update(self._all, advance=n, description=text)

    def _n_done(self, task: TaskID) -> int:
        return int(self._bars.tasks[self._bars.task_ids.index(task)].completed)

    def _say(self, text: str) -> None:
        self._bars.console.print(text, soft_wrap=True)
