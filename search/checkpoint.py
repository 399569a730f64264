"""Checkpoints: a run's state on the disk, whole or not at all, from which it resumes."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import SearchError
from ..files import write_atomically
from .state import State, joined, part_of

FORMAT = "encas.checkpoint.1"


@dataclass(slots=True, kw_only=True)
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
    _saved_at: float = field(init=False, default_factory=time.monotonic)

    def save_if_due(self, state: Callable[[], State]) -> None:
        """Saves when the last save, or the start, is long enough ago."""
        if time.monotonic() - self._saved_at >= self.every_s:
            self.save(state())

    def save(self, state: State) -> None:
        """Writes the state atomically."""
        arrays = joined({"state": state})
        arrays |= {"format": np.array(FORMAT), "fingerprint": np.array(self.fingerprint)}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        write_atomically(self.path, buffer.getvalue())
        self._saved_at = time.monotonic()

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
