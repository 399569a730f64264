"""The models of a server: loaded, listed, unloaded, and loaded again with other thresholds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from ..errors import EncasError, ServingError
from ..runtime.session import Session
from .batch import BatchReport, Load, Variant
from .config_check import overridden_thresholds
from .lane import Lane
from .metrics import Metrics
from .model_face import VERSION, ModelFace
from .opening import BundleSource, ModelOptions, OpenBundle, open_bundle
from .protocol import Refusal
from .served_model import ServedModel
from .shared_memory import SharedMemory
from .statistics import Statistics

NOT_YET, UNLOADED = "not loaded yet", "unloaded"


class Catalog:
    """The models of one server; used on the event loop alone.

    Args:
        sources: the bundles that there are; others cannot be loaded.
        options: how they are run.
        memory: the clients' shared memory.
        metrics: where batches are counted.

    Raises:
        ServingError: two bundles have the same name.
    """

    def __init__(
        self,
        sources: Sequence[BundleSource],
        options: ModelOptions,
        *,
        memory: SharedMemory,
        metrics: Metrics,
    ) -> None:
        names = [source.name for source in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ServingError(f"several models are called {', '.join(twice)}; use NAME=BUNDLE")
        self._sources = {source.name: source for source in sources}
        self._options = options
        self._memory = memory
        self._metrics = metrics
        self._models: dict[str, ServedModel] = {}
        self._bundles: dict[str, OpenBundle] = {}
        self._reasons = dict.fromkeys(self._sources, NOT_YET)
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
        """Whether every bundle has been loaded at least once."""
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
        for name in self._sources:
            await self._open(name, None)

    async def load(self, name: str, override: str | None = None) -> None:
        """Loads a model, or loads it anew; requests meet the old one until the new one is ready.

        Args:
            name: of a bundle that the server was started with.
            override: JSON of a model configuration in which the thresholds may be new.

        Raises:
            Refusal: there is no such bundle, or it cannot be loaded.
        """
        if name not in self._sources:
            raise Refusal("invalid", f"failed to load {name!r}: this server has no such bundle")
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

    async def close(self) -> None:
        """Unloads every model and forgets the shared memory."""
        for name in list(self._models):
            await self.unload(name)
        self._memory.unregister()

    def add(
        self,
        face: ModelFace,
        choose: Callable[[Load], Variant],
        *,
        on_batch: Callable[[BatchReport], object] = lambda _report: None,
    ) -> None:
        """Serves a cascade, or several of which `choose` takes one for each batch."""
        statistics = Statistics()

        def count(report: BatchReport) -> None:
            on_batch(report)
            statistics.add_batch(report)
            self._metrics.add_batch(face.name, report)

        lane = Lane(
            face.name, face.limits, choose, n_workers=self._options.n_workers, on_batch=count
        )
        self._metrics.watch_queue(face.name, lambda: lane.n_waiting_rows)
        model = ServedModel(face=face, lane=lane, statistics=statistics, memory=self._memory)
        self._models[face.name] = model
        self._reasons[face.name] = UNLOADED

    def face(self, name: str, bundle: OpenBundle) -> ModelFace:
        """What clients see of an open bundle."""
        return ModelFace(
            name=name,
            manifest=bundle.manifest,
            cascade=bundle.cascade,
            limits=self._options.limits,
            device=self._options.placement.device,
            n_workers=self._options.n_workers,
            parameters={"members": ",".join(bundle.cascade.members)},
        )

    async def _open(self, name: str, override: str | None) -> None:
        async with self._lock:
            folder, known = self._sources[name].folder, self._sessions()
            bundle = await asyncio.to_thread(open_bundle, folder, self._options, known=known)
            thresholds = None
            if override is not None:
                thresholds = overridden_thresholds(self.face(name, bundle).config, override)
            if thresholds is not None:
                bundle = bundle.with_thresholds(thresholds)
            variant = Variant(name=name, predictor=bundle.predictor)
            before = self._models.get(name)
            self._bundles[name] = bundle
            self.add(self.face(name, bundle), lambda _load: variant)
            if before is not None:
                await before.lane.close()

    def _sessions(self) -> dict[str, Session]:
        sessions = (session for bundle in self._bundles.values() for session in bundle.sessions)
        return {session.info.sha256: session for session in sessions}
