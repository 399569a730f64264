"""From a bundle on the disk to a model that can be served."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from ...cascade import Cascade
from ...errors import ServingError
from ...manifest import Manifest
from ...runtime.batching import Batching
from ...runtime.executor import Predictor, Runner
from ...runtime.loading import Backend, Placement, open_graph, open_members
from ...runtime.session import Session
from ..protocol.model_config_text import overridden_thresholds
from ..protocol.names import model_name
from .model_face import ModelFace
from .queueing import QueueLimits
from .request_batch import BatchReport, Load, Variant

HERE = Placement()


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSource:
    """A bundle under the name that clients know it by."""

    name: str
    folder: Path

    @classmethod
    def of(cls, text: str) -> BundleSource:
        """The bundle that FOLDER or NAME=FOLDER means; without a name it has the manifest's.

        Raises:
            ServingError: the name is not fit for a URL.
            ManifestError: there is no bundle.
        """
        name, equals, folder = text.partition("=")
        if not equals or Path(text).exists():
            return cls(name=model_name(Manifest.load(Path(text)).name), folder=Path(text))
        if name != model_name(name):
            raise ServingError(f"a model's name needs letters, digits, _ - and ., got {name!r}")
        return cls(name=name, folder=Path(folder))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """How cascades are run.

    Args:
        limits: of each model's queue.
        placement: device, threads and memory of the sessions.
        backend: a session for each member, or the whole cascade as one graph.
        n_workers: batches of one model that run at the same time.
    """

    limits: QueueLimits
    placement: Placement = HERE
    backend: Backend = "staged"
    n_workers: int = 1

    @property
    def batching(self) -> Batching:
        """What the sessions see: on a GPU buckets, since each new size costs a plan."""
        largest = self.limits.max_batch_size
        if self.placement.device == "cpu":
            return Batching(max_batch_size=largest)
        return Batching.powers_of_two(largest)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenBundle:
    """A bundle whose models are loaded and warm.

    Args:
        manifest: of the bundle.
        predictor: the cascade with the manifest's thresholds.
        sessions: of the members; none where the whole cascade is one graph.
        batching: what the sessions see.
    """

    manifest: Manifest
    predictor: Predictor
    sessions: tuple[Session, ...]
    batching: Batching

    def with_thresholds(self, thresholds: tuple[float, ...]) -> OpenBundle:
        """The same members with other thresholds.

        Raises:
            ServingError: the whole cascade is one graph.
            CascadeError: there are too many, too few or impossible ones.
        """
        if not self.sessions:
            raise ServingError("one graph has its thresholds inside; use the backend 'staged'")
        cascade = replace(self.manifest.cascade, thresholds=thresholds)
        predictor = Runner(cascade, self.sessions, batching=self.batching)
        return replace(self, predictor=predictor)

    @property
    def cascade(self) -> Cascade:
        """What runs."""
        return self.predictor.cascade


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenModel:
    """A model that is ready to be served.

    Args:
        face: what clients see.
        choose: gives the cascade that a batch runs on.
        on_batch: is told of every batch.
        bundle: whose cascade it is; None: it runs those of others.
    """

    face: ModelFace
    choose: Callable[[Load], Variant]
    on_batch: Callable[[BatchReport], object] = lambda _report: None
    bundle: OpenBundle | None = None


# Opens a model: from the bundles that are open, by name, and the JSON of a model configuration in
# which the thresholds may be new, or None.
Opener: TypeAlias = Callable[[Mapping[str, OpenBundle], str | None], Awaitable[OpenModel]]


def bundle_openers(sources: Sequence[BundleSource], options: ModelOptions) -> dict[str, Opener]:
    """What opens each bundle, by its name.

    Raises:
        ServingError: two bundles have the same name.
    """
    names = [source.name for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ServingError(f"several models are called {', '.join(twice)}; use NAME=BUNDLE")
    return {source.name: _opener(source, options) for source in sources}


def face_of(name: str, bundle: OpenBundle, options: ModelOptions) -> ModelFace:
    """What clients see of an open bundle."""
    return ModelFace(
        name=name,
        manifest=bundle.manifest,
        inputs=bundle.manifest.inputs,
        cascade=bundle.cascade,
        limits=options.limits,
        device=options.placement.device,
        n_workers=options.n_workers,
        parameters={"members": ",".join(bundle.cascade.members)},
    )


def _opener(source: BundleSource, options: ModelOptions) -> Opener:
    async def open_it(bundles: Mapping[str, OpenBundle], override: str | None) -> OpenModel:
        sessions = (session for bundle in bundles.values() for session in bundle.sessions)
        known = {session.info.sha256: session for session in sessions}
        bundle = await asyncio.to_thread(open_bundle, source.folder, options, known=known)
        if override is not None:
            face = face_of(source.name, bundle, options)
            thresholds = overridden_thresholds(face.config, override)
            bundle = bundle if thresholds is None else bundle.with_thresholds(thresholds)
        variant = Variant(name=source.name, predictor=bundle.predictor)
        face = face_of(source.name, bundle, options)
        return OpenModel(face=face, choose=lambda _load: variant, bundle=bundle)

    return open_it


def open_bundle(folder: Path, options: ModelOptions, *, known: Mapping[str, Session]) -> OpenBundle:
    """Verifies, loads and warms up a bundle.

    Args:
        folder: of the bundle.
        options: how it is run.
        known: SHA-256 of a member's file -> its session, where it is open already.

    Raises:
        ManifestError: the bundle has faults.
        SessionError: a model cannot be loaded.
    """
    manifest = Manifest.load(folder)
    batching = options.batching
    if options.backend == "graph":
        graph = open_graph(folder, manifest, options.placement, batching=batching)
        return OpenBundle(manifest=manifest, predictor=graph, sessions=(), batching=batching)
    sessions = open_members(folder, manifest, options.placement, known=known)
    runner = Runner(manifest.cascade, sessions, batching=batching)
    runner.warm_up()
    return OpenBundle(manifest=manifest, predictor=runner, sessions=sessions, batching=batching)
