"""Runs as jobs of small steps: stored while they go on, resumed where they were killed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ..errors import SearchError
from ..files import json_text
from ..search.checkpoint import Checkpoint
from ..search.state import State

CHECKPOINT_FILE = "checkpoint.npz"
SAVE_EVERY_S = 30.0


class Job(Protocol):
    """Work that advances by steps and resumes between any two."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        ...

    def step(self) -> None:
        """Does the next piece of work."""
        ...

    def state(self) -> State:
        """Everything that the future depends on, as plain arrays."""
        ...

    def restore(self, state: State) -> None:
        """Continues from a state."""
        ...


def refuse_taken(out: Path, file: str, *, resume: bool) -> None:
    """Refuses a folder that holds a run's `file`, or one begun, unless it is to be resumed.

    Raises:
        SearchError: it does.
    """
    taken = [name for name in (file, CHECKPOINT_FILE) if (out / name).exists()]
    if taken and not resume:
        fault = f"there is a run already ({taken[0]}): give another folder, or --resume to go on"
        raise SearchError(fault, where=str(out))


def refuse_other(settings: Mapping[str, Any], description: dict[str, Any], out: Path) -> None:
    """Refuses to take a finished run for one with other settings.

    Raises:
        SearchError: it is such a one.
    """
    differing = sorted(key for key in description if settings.get(key) != description[key])
    if differing:
        fault = f"holds a finished run with other {', '.join(differing)}: give another folder"
        raise SearchError(fault, where=str(out))


def checkpoint_of(out: Path, description: dict[str, Any], *, resume: bool) -> Checkpoint:
    """Where a run is stored while it goes on."""
    out.mkdir(parents=True, exist_ok=True)
    return Checkpoint(
        path=out / CHECKPOINT_FILE,
        fingerprint=json_text(description),
        resume=resume,
        every_s=SAVE_EVERY_S,
    )


def drive(job: Job, checkpoint: Checkpoint, *, on_step: Callable[[], None]) -> None:
    """Does all steps of a job, from where the checkpoint left it."""
    state = checkpoint.load()
    if state is not None:
        job.restore(state)
    while not job.finished:
        job.step()
        on_step()
        checkpoint.save_if_due(job.state)
