"""The bundles of a front as one model that adapts to the load."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...entries import InputEntry
from ...errors import ServingError
from ...latency import LatencyProfile, Timing
from ...manifest import Manifest
from ...runtime.session import Session, random_batch
from ..protocol.model_config_text import overridden_thresholds
from ..protocol.names import model_name
from .front_inputs import reading, united_inputs
from .opening import ModelOptions, OpenBundle, Opener, OpenModel, face_of
from .policy import Gear, SloPolicy, SloTarget
from .request_batch import BatchReport, Load, Variant

N_CALLS = 5
MS_PER_S = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontOptions:
    """How the bundles serve together.

    Args:
        name: of the model that adapts.
        target: what it aims for.

    Raises:
        ServingError: the name is not fit for a URL.
    """

    target: SloTarget
    name: str = "front"

    def __post_init__(self) -> None:
        if self.name != model_name(self.name):
            raise ServingError(f"a model's name needs letters, digits, _ - ., got {self.name!r}")


class Shifter:
    """Brings the policy and the threads of a lane together.

    Args:
        variants: in the order of the policy's gears.
        policy: chooses among them.
    """

    def __init__(self, variants: Sequence[Variant], policy: SloPolicy) -> None:
        self._variants = tuple(variants)
        self._places = {variant.name: place for place, variant in enumerate(variants)}
        self._policy = policy
        self._lock = threading.Lock()

    def choose(self, load: Load) -> Variant:
        """The cascade for a batch."""
        with self._lock:
            return self._variants[self._policy.choose(load)]

    def note(self, report: BatchReport) -> None:
        """Tells the policy what a batch took."""
        if report.failure is None:
            with self._lock:
                gear = self._places[report.cascade]
                self._policy.note_run(gear, rows=sum(report.rows), run_s=report.run_s)


def front_opener(options: FrontOptions, models: ModelOptions) -> Opener:
    """What opens the model that adapts, from the bundles that are open then.

    It fails with a ServingError where there are fewer than two, or they do not do the same task.
    """

    async def open_it(bundles: Mapping[str, OpenBundle], override: str | None) -> OpenModel:
        bundles = dict(bundles)
        faults = _faults(bundles)
        if faults:
            raise ServingError(*faults, where="policy")
        largest = models.limits.max_batch_size
        profile = await asyncio.to_thread(profile_of, list(bundles.values()), largest)
        gears = ordered_gears(bundles, profile)
        policy = SloPolicy(gears, options.target, max_batch_size=largest)
        inputs = united_inputs([bundles[gear.name].manifest.inputs for gear in gears])
        shifter = Shifter([_variant(g.name, bundles[g.name], inputs) for g in gears], policy)
        dearest = face_of(options.name, bundles[gears[-1].name], models)
        face = replace(dearest, inputs=inputs, parameters=_parameters(options, gears))
        if override is not None and overridden_thresholds(face.config, override) is not None:
            raise ServingError("the thresholds belong to the cascades; load those, and then this")
        return OpenModel(face=face, choose=shifter.choose, on_batch=shifter.note)

    return open_it


def _variant(name: str, bundle: OpenBundle, inputs: Sequence[InputEntry]) -> Variant:
    own = bundle.manifest.inputs
    return Variant(name=name, predictor=reading(bundle.predictor, own, inputs))


def _parameters(options: FrontOptions, gears: Sequence[Gear]) -> dict[str, str]:
    return {
        "cascades": ",".join(gear.name for gear in gears),
        "p99_ms": f"{options.target.p99_s * MS_PER_S:g}",
    }


def ordered_gears(bundles: Mapping[str, OpenBundle], profile: LatencyProfile) -> list[Gear]:
    """The gears, from the least to the most accurate; by time where an accuracy is not known."""
    gears = {name: Gear(name=name, run_s=_prediction(b, profile)) for name, b in bundles.items()}
    accuracies = {
        name: bundle.manifest.expected[-1].accuracy
        for name, bundle in bundles.items()
        if bundle.manifest.expected
    }
    largest = profile.batch_sizes(profile.members[0])[-1]
    if len(accuracies) == len(bundles):
        return sorted(gears.values(), key=lambda gear: accuracies[gear.name])
    return sorted(gears.values(), key=lambda gear: gear.run_s(largest))


def profile_of(bundles: Sequence[OpenBundle], max_batch_size: int) -> LatencyProfile:
    """Rough times of all members on this machine; the policy corrects them by what it sees."""
    sessions = {s.info.name: s for bundle in bundles for s in bundle.sessions}
    sizes = sorted({1, 4, 16, max_batch_size} & set(range(1, max_batch_size + 1)))
    timings = [_timing(session, size) for session in sessions.values() for size in sizes]
    setting = next(iter(sessions.values())).info.setting
    return LatencyProfile(setting=setting, timings=tuple(timings))


def _timing(session: Session, size: int) -> Timing:
    batch = random_batch(session.info, size, rng=np.random.default_rng(0))
    times_ms: list[float] = []
    for _ in range(N_CALLS):
        started = time.perf_counter()
        session.run(batch)
        times_ms.append((time.perf_counter() - started) * MS_PER_S)
    return Timing.of(session.info.name, size, times_ms)


def _prediction(bundle: OpenBundle, profile: LatencyProfile) -> Callable[[int], float]:
    members = bundle.cascade.members
    expected = bundle.manifest.expected
    reach = expected[-1].reach if expected else (1.0,) * len(members)

    def run_s(rows: int) -> float:
        return profile.cascade_ms(members, reach, batch_size=rows) / MS_PER_S

    return run_s


def _faults(bundles: Mapping[str, OpenBundle]) -> list[str]:
    faults = []
    if len(bundles) < 2:
        faults.append(f"needs at least two bundles to choose from, got {len(bundles)}")
    if any(not bundle.sessions for bundle in bundles.values()):
        faults.append("needs the members apart; use the backend 'staged'")
    tasks = {
        (_ready_inputs(m), m.n_classes, m.classes, b.cascade.confidence)
        for b in bundles.values()
        for m in [b.manifest]
    }
    if len(tasks) > 1:
        faults.append("the bundles differ in their samples, classes or confidence")
    return faults


def _ready_inputs(manifest: Manifest) -> tuple[tuple[object, ...], ...]:
    """Inputs that nobody could make of images: all cascades have to take the same ones."""
    entries = (entry for entry in manifest.inputs if entry.preprocessing is None)
    return tuple((entry.name, entry.dtype, entry.shape) for entry in entries)
