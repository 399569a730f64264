"""Folders of runs: whose they are, what is stored while a run goes on, what is read of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..checkpoint import Checkpoint, CheckpointKeeper, Restorable
from ..errors import SearchError
from ..files import json_text, read_json
from ..schema import check

CHECKPOINT_FILE = "checkpoint.npz"
SAVE_EVERY_S = 30.0


def run_content(folder: Path, file: str, *, schema: str, command: str) -> Any:
    """The checked content of a finished run's file.

    Args:
        folder: of the run.
        file: its name.
        schema: what it must be like.
        command: makes such runs.

    Raises:
        SearchError: it is missing, so the run is unfinished, or has faults.
    """
    path = folder / file
    if not path.is_file():
        fault = f"no finished run: it has no {file}; `{command} --resume` goes on with one"
        raise SearchError(fault, where=str(folder))
    content: Any = read_json(path, error=SearchError)
    check(content, schema, error=SearchError, where=str(path))
    return content


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


def keeper_of(
    run: Restorable, out: Path, description: dict[str, Any], *, resume: bool
) -> CheckpointKeeper:
    """Where a run is stored while it goes on."""
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = Checkpoint(
        path=out / CHECKPOINT_FILE,
        fingerprint=json_text(description),
        resume=resume,
        every_s=SAVE_EVERY_S,
    )
    advice = f"{out} holds what was done: go on with --resume"
    return CheckpointKeeper(checkpoint=checkpoint, of=run, advice=advice)
