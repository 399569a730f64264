"""Torch modules that a SPEC names by package, module and callable, and their weights."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from ...errors import MissingExtraError, SourceError, whole_text
from .state_dicts import fitting_state, read_state_dict, unfit_text

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingExtraError("building torch models", extra="export") from error


# Endings of files of weights, which are taken for modules.
WEIGHTS = (".bin", ".ckpt", ".pt", ".pth", ".safetensors")


def torch_builder(
    target: str, arguments: Mapping[str, Any], weights: Path | None, *, where: str
) -> Callable[[], nn.Module]:
    """What builds the module that `package.module:callable` names.

    Args:
        target: the module and the callable, which must be defined there.
        arguments: its keyword arguments.
        weights: a file with the state dict, or None.
        where: the SPEC, for errors.

    Raises:
        SourceError: there is no such callable, or it is one that a SPEC may not name.
    """
    make = _callable_of(target, where)
    return partial(_build, make, arguments, weights, where)


def load_weights(module: nn.Module, path: Path, *, where: str) -> None:
    """Loads a state dict into `module`: every tensor named, none left over.

    A torch file may hold the state dict under a key such as "state_dict"; names may start with
    that of the model in a larger module, as DataParallel's and Lightning's do.

    Raises:
        SourceError: the file is foreign, or its tensors are not the module's.
    """
    wanted = list(module.state_dict())
    state = fitting_state(read_state_dict(path), wanted, where=str(path))
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as cause:
        told = unfit_text(state, wanted) or whole_text(cause)
        raise SourceError(f"{path} does not fit the model: {told}", where=where) from cause


def _build(
    make: Callable[..., object], arguments: Mapping[str, Any], weights: Path | None, where: str
) -> nn.Module:
    with _current_folder_importable(), fixed_seed():
        try:
            module = make(**arguments)
        except TypeError as cause:
            raise SourceError(f"cannot be called like this: {cause}", where=where) from cause
    if not isinstance(module, nn.Module):
        got = type(module).__name__
        raise SourceError(f"expected a torch.nn.Module to be returned, got {got}", where=where)
    if weights is not None:
        load_weights(module, weights, where=where)
    return module.eval().requires_grad_(requires_grad=False)


def _callable_of(target: str, where: str) -> Callable[..., object]:
    module_name, _, name = target.partition(":")
    parts = module_name.split(".")
    if not name.isidentifier() or not all(part.isidentifier() for part in parts):
        is_file = Path(target).suffix in WEIGHTS
        remedy = f"; a file of weights stands behind it: ?weights={target}" if is_file else ""
        raise SourceError(
            f"expected torch:package.module:callable, got torch:{target}{remedy}", where=where
        )
    if parts[0] in sys.stdlib_module_names or parts[0] == "builtins":
        raise SourceError(f"{module_name} is of Python's standard library", where=where)
    module = _imported(module_name, where)
    found: Any = vars(module).get(name)
    is_callable = inspect.isfunction(found) or inspect.isclass(found)
    if not is_callable or found.__module__ != module_name:
        raise SourceError(
            f"{module_name} defines no function or class {name!r}; a SPEC names the module that "
            "defines it",
            where=where,
        )
    return found


def _imported(name: str, where: str) -> ModuleType:
    with _current_folder_importable():
        try:
            return importlib.import_module(name)
        except ImportError as cause:
            raise SourceError(f"cannot import {name}: {cause}", where=where) from cause
        except (Exception, SystemExit) as cause:
            # A module is anybody's code, which may raise anything.
            fault = f"cannot import {name}: {type(cause).__name__}: {cause}"
            raise SourceError(fault, where=where) from cause


@contextmanager
def fixed_seed() -> Generator[None]:
    """Weights that are drawn at random here are the same every time: a SPEC names one model."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        yield


@contextmanager
def _current_folder_importable() -> Generator[None]:
    """Lets a SPEC name a module beside the user; last in the path, so that it hides no package."""
    folder = str(Path.cwd())
    is_new = folder not in sys.path
    if is_new:
        sys.path.append(folder)
    try:
        yield
    finally:
        if is_new and folder in sys.path:
            sys.path.remove(folder)
