"""A pool whose models are ONNX files inside it: it goes wherever neither torch nor sources are.

OUT is a pool folder with OUT/models/NAME.onnx and NAME.onnx.preprocessing.json beside its outputs,
valid from the first model on; OUT/export.json says which pool it is made of.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..class_names import OnNote, unnoted
from ..data.open_data import open_views
from ..data.preprocessing import Preprocessing
from ..entries import INPUT
from ..errors import EncasError, ExportError, PoolError
from ..files import json_text, read_json, write_atomically
from ..pools.models.model_requests import ModelRefusal
from ..pools.pool import Pool, given_pool
from ..pools.pool_io import POOL_FILE, StoredModel, read_index, stored_models
from ..pools.pool_writing import store_outputs, write_index
from ..progress import OnProgress, Progress, unheard
from ..runtime.placement import Placement
from ..work import drive
from .joined_data import JoinedData, joined_data

if TYPE_CHECKING:
    from ..export.onnx_export import Exporter
    from .portable_model import ModelFile, PortableModels

EXPORT_FILE = "export.json"
# Samples that each model is proven on.
LIMIT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsExport:
    """What an export of all models came to.

    Args:
        path: the new pool's folder.
        n_models: models in it.
        files: of these, the ones that were exported now.
        refusals: the models that are not in it, and why.
    """

    path: Path
    n_models: int
    files: tuple[ModelFile, ...]
    refusals: tuple[ModelRefusal, ...]


def export_models(  # noqa: PLR0913 - what is exported, and how
    pool: Pool | str | Path,
    *,
    out: str | Path,
    data: str | Path | None = None,
    exporter: Exporter = "dynamo",
    limit: int = LIMIT,
    seed: int = 0,
    device: str = "cpu",
    overwrite: bool = False,
    on_note: OnNote = unnoted,
    on_progress: OnProgress = unheard,
) -> ModelsExport:
    """Writes every model of a pool as ONNX into a pool folder that needs no other files.

    Each file gives what its model gives (logits stay logits), takes any batch, and has its
    preprocessing beside it. It is proven against its model and the stored outputs, which the new
    pool has, too. Models that cannot be exported stop nobody; the report names them. After an
    interruption the same call goes on.

    Args:
        pool: has the models with their SPECs, or its folder.
        out: a new folder, or that of an earlier export of the same pool.
        data: the DATA that the pool, or one that it is a part of, was built on; None: what the pool
            says.
        exporter: of torch modules: "dynamo", or "legacy", which is faster on tiny ones.
        limit: samples that each model is proven on, at most.
        seed: of this part.
        device: where the files run for their proofs: "cpu", "cuda:0", ...
        overwrite: begin anew where there is an export in the folder.
        on_note: hears how classes and samples were matched.
        on_progress: hears how many models are done.

    Raises:
        PoolError: `out` is something else, or the pool has no outputs or does not say its data.
        ExportError: no model could be exported.
        KeyboardInterrupt: Ctrl-C; the models that were done are in the folder.
    """
    from .portable_model import PortableModels  # noqa: PLC0415 - needs onnx

    pool, folder = given_pool(pool), Path(out)
    text = str(data or pool.data)
    if pool.is_compressed or not text:
        raise PoolError(
            "the pool does not say what it was built on; give --data DATA"
            if not text
            else "a compressed pool has no outputs; export the models of the one it was made of",
            where=f"pool {pool.name}",
        )
    _open_folder(pool, folder, overwrite=overwrite)

    @cache
    def samples(preprocessing: Preprocessing | None) -> JoinedData:
        joined = joined_data(open_views(text, {INPUT: preprocessing}), pool, on_note=on_note)
        return joined.limited(limit, seed=seed)

    exports = PortableModels(
        pool=pool,
        folder=folder,
        samples=samples,
        exporter=exporter,
        placement=Placement(device=device),
    )
    work = _ModelsWork(pool, folder, exports)
    drive(work, keeper=work, on_progress=on_progress)
    if not work.records:
        reasons = [f"{refusal.name}: {refusal.reason}" for refusal in work.refusals]
        fault = f"none of {pool.n_models} models could be exported"
        raise ExportError(fault, *reasons, where=f"pool {pool.name}")
    return ModelsExport(
        path=folder,
        n_models=len(work.records),
        files=tuple(work.files),
        refusals=tuple(work.refusals),
    )


def _open_folder(pool: Pool, out: Path, *, overwrite: bool) -> None:
    state = {"format": "encas.models", "version": 1, "pool": pool.sha256}
    if pool.path is not None and out.resolve() == pool.path.resolve():
        raise PoolError("is the pool itself; give another --out", where=str(out))
    if overwrite and (out / EXPORT_FILE).is_file():
        shutil.rmtree(out)
    if out.exists() and any(out.iterdir()):
        is_export = (out / EXPORT_FILE).is_file()
        if not is_export or read_json(out / EXPORT_FILE, error=PoolError) != state:
            raise PoolError(
                "is no folder of an earlier export of this pool; give another --out"
                + (", or --overwrite" if is_export else ""),
                where=str(out),
            )
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / EXPORT_FILE, json_text(state))


class _ModelsWork:
    """A `Work` and its own `Keeper`: a model each step, the folder is a valid pool after each."""

    every_s = inf

    def __init__(self, pool: Pool, folder: Path, export: PortableModels) -> None:
        self._pool, self._folder, self._export = pool, folder, export
        self._left = list(pool.names)
        self._news = ""
        self.records: dict[str, StoredModel] = {}
        self.files: list[ModelFile] = []
        self.refusals: list[ModelRefusal] = []

    @property
    def advice(self) -> str:
        return f"{self._folder} holds the models that are done: the same command goes on"

    @property
    def finished(self) -> bool:
        return not self._left

    @property
    def progress(self) -> Progress:
        done, text = len(self._pool) - len(self._left), self._left[0] if self._left else ""
        return Progress(
            what="exporting models",
            done=done,
            total=len(self._pool),
            unit="models",
            text=text,
            news=self._news,
        )

    def resume(self) -> None:
        if not (self._folder / POOL_FILE).is_file():
            return
        index = read_index(self._folder)
        self.records = {r.model.name: r for r in stored_models(self._folder, index)}
        self._left = [name for name in self._pool.names if name not in self.records]
        self._news = f"{len(self.records)} of {len(self._pool)} models are there already"

    def keep(self) -> bool:
        return True

    def step(self) -> None:
        name, self._news = self._left[0], ""
        try:
            model, file = self._export.file_of(name)
        except EncasError as cause:
            self._refuse(name, str(cause))
        except Exception as cause:
            # Models are anybody's code, which may raise anything.
            lines = str(cause).strip().splitlines() or [""]
            self._refuse(name, f"{type(cause).__name__}: {lines[0]}")
        else:
            stored = np.asarray(self._pool.outputs[self._pool.index(name)])
            self.records[name] = store_outputs(self._folder, model, stored)
            ordered = [self.records[n] for n in self._pool.names if n in self.records]
            write_index(self._folder, ordered, self._pool.about)
            self.files.append(file)
        self._left.pop(0)

    def _refuse(self, name: str, reason: str) -> None:
        refusal = ModelRefusal(name=name, reason=reason)
        self.refusals.append(refusal)
        self._news = refusal.told
