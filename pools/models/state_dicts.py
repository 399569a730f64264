"""State dicts of torch and safetensors files: read without running code, and made to fit."""

from __future__ import annotations

import pickle
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

from ...errors import MissingExtraError, SourceError
from .foreign_file import PICKLED, TENSORS, foreign_file

try:
    import torch
except ImportError as error:
    raise MissingExtraError("building torch models", extra="export") from error

# Under which name a checkpoint has the state dict, the likeliest first.
KEYS = ("state_dict", "model_state_dict", "model", "net", "weights")
GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def read_state_dict(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors or torch file, by name; nothing is unpickled but tensors.

    Raises:
        SourceError: it is no such file; says what it is, as far as that can be seen.
    """
    if path.suffix == ".safetensors":
        from .safetensors_file import read_tensors  # noqa: PLC0415 - needed for such files alone

        return read_tensors(path)
    found = foreign_file(path)
    if found not in (None, TENSORS, PICKLED):
        raise SourceError(f"no file of plain tensors, but {found}", where=str(path))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, OSError, KeyError, pickle.UnpicklingError) as cause:
        raise SourceError(_unread(cause), where=str(path)) from cause
    state = _state_of(content)
    if state is None:
        raise SourceError("expected a state dict of tensors", where=str(path))
    return state


def fitting_state(
    state: Mapping[str, Any], wanted: Collection[str], *, where: str
) -> Mapping[str, Any]:
    """The tensors of a state dict by the names that a module has for them.

    The names of a file may start with the name that the model had in another one: `module.` of
    DataParallel, `model.` of a Lightning module, whose further tensors are then left out.

    Args:
        state: of the file.
        wanted: the module's names.
        where: the file, for errors.

    Raises:
        SourceError: the model stands in the file more than once.
    """
    # Files of torch before 0.4.1 have no counts of batches; torch fills them in.
    needed = [name for name in wanted if not name.endswith(".num_batches_tracked")]
    if not needed or not set(needed).isdisjoint(state):
        return state
    first = min(needed, key=len)
    starts = {name.removesuffix(first) for name in state if name.endswith("." + first)}
    fitting = sorted(start for start in starts if all(start + name in state for name in needed))
    if len(fitting) > 1:
        raise SourceError(
            f"holds the model {len(fitting)} times, as {', '.join(fitting)}: save the one that is "
            "meant alone",
            where=where,
        )
    if not fitting and len(starts) == 1:
        # Not every tensor is there: torch says which, by their right names.
        fitting = list(starts)
    if not fitting:
        return state
    return {
        name.removeprefix(fitting[0]): tensor
        for name, tensor in state.items()
        if name.startswith(fitting[0])
    }


def unfit_text(state: Collection[str], wanted: Collection[str]) -> str:
    """Which tensors a file lacks or has too many of; "" where the names are right."""
    lacking = [name for name in wanted if name not in state]
    others = [name for name in state if name not in set(wanted)]
    faults = [
        f"{what} {len(names)} tensors (first: {names[0]})"
        for what, names in (("it lacks", lacking), ("the model has no", others))
        if names
    ]
    return ", ".join(faults)


def _unread(cause: Exception) -> str:
    text = " ".join(str(cause).split())
    pickled = GLOBAL.search(text)
    if pickled:
        return (
            f"pickles {pickled[1]}, which only its own code can read: where that code is, save "
            "the tensors alone, torch.save(model.state_dict(), FILE), and of a checkpoint "
            'torch.save(torch.load(FILE)["state_dict"], FILE)'
        )
    return f"not a file of plain tensors: {text}"


def _state_of(content: object) -> dict[str, Any] | None:
    """The state dict in what a file holds."""
    if not isinstance(content, dict):
        return None
    named = cast("dict[str, Any]", content)
    if _is_state(named):
        return named
    return next((named[key] for key in KEYS if _is_state(named.get(key))), None)


def _is_state(content: object) -> bool:
    if not isinstance(content, dict):
        return False
    return all(
        isinstance(value, torch.Tensor) for value in cast("dict[str, Any]", content).values()
    )
