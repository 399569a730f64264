"""Checkpoints: the state of work on the disk, whole or not at all, from which it resumes."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from .errors import SearchError
from .files import write_atomically
from .state import State, joined, part_of

FORMAT = "encas.checkpoint.2"


class Restorable(Protocol):
    """What goes on from a state as if it had never stopped."""

    @property
    def resumable(self) -> bool:
        """Whether `state` may be taken now."""
        ...

    def state(self) -> State:
        """Everything that the future depends on, as plain arrays."""
        ...

    def restore(self, state: State, /) -> None:
        """Continues from a state."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A file that holds the latest resumable state of a run.

    Args:
        path: the file, an .npz without pickles.
        fingerprint: names all settings that the result depends on (pool, algorithm, seed, ...);
            a file with another fingerprint is refused.
        resume: whether `load` reads an existing file; without, it is overwritten.
        every_s: seconds between two saves.
    """

    path: Path
    fingerprint: str
    resume: bool = False
    every_s: float = 5.0

    def save(self, state: State) -> None:
        """Writes the state atomically."""
        arrays = joined({"state": state})
        arrays |= {"format": np.array(FORMAT), "fingerprint": np.array(self.fingerprint)}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        write_atomically(self.path, buffer.getvalue())

    def load(self) -> State | None:
        """The state in the file; None where there is no file, or it is not to be resumed.

        Raises:
            SearchError: the file is damaged, foreign, or of a run with other settings.
        """
        if not self.resume or not self.path.exists():
            return None
        content = self._content()
        if str(content.get("format")) != FORMAT:
            raise SearchError(f"expected a checkpoint {FORMAT}", where=str(self.path))
        found = str(content.get("fingerprint"))
        if found != self.fingerprint:
            raise SearchError(
                f"a checkpoint of a run with other settings: expected {self.fingerprint!r}, got "
                f"{found!r}; resume with the same settings, or start anew without resuming",
                where=str(self.path),
            )
        return part_of(content, "state")

    def _content(self) -> State:
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as cause:
            raise SearchError(f"not a checkpoint: {cause}", where=str(self.path)) from cause


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckpointKeeper:
    """Keeps a state in a checkpoint; see `work.Keeper`.

    Args:
        checkpoint: the file.
        of: whose state.
        advice: see `Keeper.advice`.
    """

    checkpoint: Checkpoint
    of: Restorable
    advice: str = ""

    @property
    def every_s(self) -> float:
        """See `Keeper.every_s`."""
        return self.checkpoint.every_s

    def resume(self) -> None:
        """See `Keeper.resume`."""
        state = self.checkpoint.load()
        if state is not None:
            self.of.restore(state)

    def keep(self) -> bool:
        """See `Keeper.keep`."""
        if not self.of.resumable:
            return False
        self.checkpoint.save(self.of.state())
        return True
