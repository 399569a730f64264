"""The models of a server: loaded, listed, unloaded, and loaded again with other thresholds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from ...errors import EncasError
from ..protocol.protocol import NOT_YET, Refusal
from .lane import Lane
from .model_face import VERSION
from .opening import OpenBundle, Opener, OpenModel
from .prometheus import Metrics
from .request_batch import BatchReport
from .request_statistics import Statistics
from .served_model import ServedModel
from .shared_memory import SharedMemory

UNLOADED = "unloaded"
LOGGER = logging.getLogger("encas.server")


class Catalog:
    """The models of one server; used on the event loop alone.

    Args:
        openers: what opens each model, by its name; others cannot be loaded.
        n_workers: batches of one model that run at the same time.
        memory: the clients' shared memory.
        metrics: where batches are counted.
    """

    def __init__(
        self,
        openers: Mapping[str, Opener],
        *,
        n_workers: int,
        memory: SharedMemory,
        metrics: Metrics,
    ) -> None:
        self._openers = dict(openers)
        self._n_workers = n_workers
        self._memory = memory
        self._metrics = metrics
        self._models: dict[str, ServedModel] = {}
        self._bundles: dict[str, OpenBundle] = {}
        self._reasons = dict.fromkeys(self._openers, NOT_YET)
        self._lock = asyncio.Lock()

    @property
    def models(self) -> Mapping[str, ServedModel]:
        """The loaded models by name."""
        return self._models

    @property
    def bundles(self) -> Mapping[str, OpenBundle]:
        """The bundles behind the loaded models, by the models' names."""
        return self._bundles

    @property
    def is_complete(self) -> bool:
        """Whether every model has been loaded at least once."""
        return NOT_YET not in self._reasons.values()

    def model(self, name: str, version: str = "") -> ServedModel:
        """A loaded model.

        Raises:
            Refusal: there is none of that name and version.
        """
        if name not in self._models:
            reason = "has no available versions" if name in self._reasons else "is not found"
            raise Refusal("not_found", f"Request for unknown model: {name!r} {reason}")
        if version not in ("", VERSION):
            raise Refusal(
                "not_found", f"Request for unknown model: {name!r} version {version} is not found"
            )
        return self._models[name]

    def index(self, *, only_ready: bool = False) -> list[dict[str, str]]:
        """The protocol's list of models, with the reason for those that are not loaded."""
        ready = [{"name": name, "version": VERSION, "state": "READY"} for name in self._models]
        others = [
            {"name": name, "version": VERSION, "state": "UNAVAILABLE", "reason": reason}
            for name, reason in self._reasons.items()
            if name not in self._models
        ]
        return sorted(ready if only_ready else ready + others, key=lambda item: item["name"])

    async def open(self) -> None:
        """Loads every model.

        Raises:
            EncasError: one cannot be loaded.
        """
        for name in self._openers:
            await self._open(name, None)

    async def load(self, name: str, override: str | None = None) -> None:
        """Loads a model, or loads it anew; requests meet the old one until the new one is ready.

        Args:
            name: of a model that the server was started with.
            override: JSON of a model configuration in which the thresholds may be new.

        Raises:
            Refusal: there is no such bundle, or it cannot be loaded.
        """
        if name not in self._openers:
            raise Refusal("invalid", f"failed to load {name!r}: this server has no such model")
        try:
            await self._open(name, override)
        except EncasError as cause:
            raise Refusal("invalid", f"failed to load {name!r}: {cause}") from cause

    async def unload(self, name: str) -> None:
        """Unloads a model once its requests are answered; one that is not there is gone already."""
        async with self._lock:
            self._bundles.pop(name, None)
            model = self._models.pop(name, None)
            if model is not None:
                self._reasons[name] = UNLOADED
                await model.lane.close()
                self._metrics.forget_queue(name)

    async def close(self) -> None:
        """Unloads every model and forgets the shared memory."""
        for name in list(self._models):
            await self.unload(name)
        self._memory.unregister()

    async def _open(self, name: str, override: str | None) -> None:
        async with self._lock:
            LOGGER.info("loading", extra={"model": name})
            opened = await self._openers[name](self._bundles, override)
            before = self._models.get(name)
            if opened.bundle is not None:
                self._bundles[name] = opened.bundle
            self._models[name] = self._served(opened)
            self._reasons[name] = UNLOADED
            if before is not None:
                await before.lane.close()

    def _served(self, opened: OpenModel) -> ServedModel:
        name, statistics = opened.face.name, Statistics()

        def count(report: BatchReport) -> None:
            opened.on_batch(report)
            statistics.add_batch(report)
            self._metrics.add_batch(name, report)

        lane = Lane(
            name, opened.face.limits, opened.choose, n_workers=self._n_workers, on_batch=count
        )
        self._metrics.watch_queue(name, lambda: lane.n_waiting_rows)
        return ServedModel(face=opened.face, lane=lane, statistics=statistics, memory=self._memory)
