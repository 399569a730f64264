"""What a pool build was asked for, kept in the pool's folder so that it can go on after a crash.

POOL/build.json is written before the first model runs. A later build into the same folder must
ask for the same data and settings; it may ask for more models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import PoolError
from ...files import json_text, read_json, write_atomically
from ...schema import check

BUILD_FILE = "build.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A model of a build.

    Args:
        name: in the pool.
        spec: what it is.
        preprocessing: what makes its samples, {} where the data are samples.
        files: SHA-256 of the files with its weights that the SPEC names, and of the order that its
            outputs are arranged in, where they are.
    """

    name: str
    spec: str
    preprocessing: Mapping[str, Any]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildState:
    """A build: what decides on the bytes that it stores.

    Args:
        data: the DATA string.
        data_sha256: of labels and samples.
        n_classes: how many outputs a model must have.
        settings: precision, threads, ... by name.
        models: in the order of the pool.
    """

    data: str
    data_sha256: str
    n_classes: int
    settings: Mapping[str, Any]
    models: tuple[Planned, ...]

    def save(self, folder: Path) -> None:
        """Writes build.json, atomically."""
        content = {"format": "encas.build", "version": 1, **asdict(self)}
        content["models"] = [asdict(m) | {"files": list(m.files)} for m in self.models]
        write_atomically(folder / BUILD_FILE, json_text(content))

    @classmethod
    def load(cls, folder: Path) -> BuildState | None:
        """Reads build.json; None where there is none.

        Raises:
            PoolError: it is foreign or has faults.
        """
        path = folder / BUILD_FILE
        if not path.is_file():
            return None
        content: Any = read_json(path, error=PoolError)
        check(content, "build", error=PoolError, where=str(path))
        models = [Planned(**(m | {"files": tuple(m["files"])})) for m in content["models"]]
        return cls(
            data=content["data"],
            data_sha256=content["data_sha256"],
            n_classes=content["n_classes"],
            settings=content["settings"],
            models=tuple(models),
        )


def continued(old: BuildState, new: BuildState, *, where: str) -> BuildState:
    """The build that goes on with `old` and does all that `new` asks for.

    Raises:
        PoolError: they differ in what decides on the bytes, or a model has another SPEC.
    """
    faults = [
        f"{what} must be the same in one pool: it was {before!r}, now it is {now!r}"
        for what, before, now in _differences(old, new)
    ]
    known = {model.name: model for model in old.models}
    faults += [
        f"{m.name} was made of {known[m.name].spec!r}, now it is {m.spec!r}; say NAME=SPEC"
        for m in new.models
        if m.name in known and known[m.name].spec != m.spec
    ]
    if faults:
        raise PoolError(*faults, "give another --out, or --overwrite", where=where)
    asked = {model.name: model for model in new.models}
    models = [asked.pop(model.name, model) for model in old.models]
    return BuildState(
        data=new.data,
        data_sha256=new.data_sha256,
        n_classes=new.n_classes,
        settings=new.settings,
        models=(*models, *asked.values()),
    )


def unchanged(old: BuildState | None, new: BuildState) -> frozenset[str]:
    """The models whose outputs would come out the same again."""
    before: Sequence[Planned] = old.models if old else ()
    same = {model.name: model for model in before}
    return frozenset(model.name for model in new.models if same.get(model.name) == model)


def _differences(old: BuildState, new: BuildState) -> list[tuple[str, Any, Any]]:
    pairs: list[tuple[str, Any, Any]] = [
        ("the content of the data", old.data_sha256[:12], new.data_sha256[:12]),
        ("the number of classes", old.n_classes, new.n_classes),
    ]
    keys = sorted({*old.settings, *new.settings})
    pairs += [(key, old.settings.get(key), new.settings.get(key)) for key in keys]
    return [pair for pair in pairs if pair[1] != pair[2]]
