"""Composed cascades, measured on the same batches: `TuneBench`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cascade import Cascade
from ...data.dataset import Dataset
from ...entries import Latency
from ...fronts.scored_cascade import ScoredCascade
from ...latency import LatencyProfile
from ...runtime.batching import Batching
from ...runtime.bench import batches_of, bench
from ...runtime.clock import StabilityProtocol, threads_of
from ...runtime.executor import Runner
from ...runtime.session import Session
from ...runtime.settling import measure
from .correction import Composed
from .tune_report import TimedCascade


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Under which cascades are measured.

    Args:
        device: where they run.
        batch_size: rows per batch.
        protocol: when a measurement counts.
        data: where the samples come from, for people.
    """

    device: str
    batch_size: int
    protocol: StabilityProtocol
    data: str


class TuneBench:
    """Measures cascades of members that are open already.

    Args:
        open_model: gives the session of a member; all of them read views of one data set.
        dataset: the samples whose exits are timed.
        conditions: where and how.
    """

    def __init__(
        self, open_model: Callable[[str], Session], dataset: Dataset, conditions: Conditions
    ) -> None:
        self._open, self._conditions = open_model, conditions
        self._dataset = dataset
        size = conditions.batch_size
        self._rows = batches_of(dataset.n_samples, size, rng=np.random.default_rng(0))
        self._samples: dict[str, list[NDArray[Any]]] = {}
        self._known: dict[Cascade, Latency] = {}

    @property
    def known(self) -> Sequence[Composed]:
        """Everything that was measured so far."""
        return [self._composed(cascade, latency) for cascade, latency in self._known.items()]

    def timed(self, scored: ScoredCascade, profile: LatencyProfile) -> TimedCascade:
        """A front's cascade, measured; one that was measured before is not measured again.

        Raises:
            ProfileError: its times never settled.
        """
        if scored.cascade not in self._known:
            self._known[scored.cascade] = self._measured(scored.cascade, profile)
        composed = self._composed(scored.cascade, self._known[scored.cascade])
        return TimedCascade(
            cascade=scored.cascade,
            error=scored.error,
            macs=scored.costs["macs"],
            predicted_ms=composed.predicted_ms(profile),
            measured_ms=composed.measured_ms,
        )

    def in_turns(self, cascades: Sequence[Cascade]) -> list[float]:
        """Times of cascades that are compared with each other, in ms per batch.

        They take turns on every batch: what else the machine does meanwhile slows all alike.

        Raises:
            ProfileError: their times never settled.
        """
        runs = [self._warm(cascade) for cascade in cascades]
        # Several short cascades need as much time as each would get for itself.
        protocol = self._conditions.protocol
        protocol = replace(protocol, min_window_ms=protocol.min_window_ms * len(runs))
        found = measure(
            [
                partial(runner, batches[i])
                for i in range(len(self._rows))
                for runner, batches in runs
            ],
            name=f"{len(runs)} cascades in turns",
            protocol=protocol,
            n_threads=threads_of(runs[0][0].info.setting),
        )
        figures = found.figures_ms.reshape(len(self._rows), len(runs))
        return figures.mean(axis=0).tolist()

    def latency(self, cascade: Cascade, profile: LatencyProfile) -> Latency:
        """What a bundle's manifest says of a cascade that was measured."""
        latency = self._known[cascade]
        predicted_ms = self._composed(cascade, latency).predicted_ms(profile)
        return replace(latency, predicted_ms=predicted_ms)

    def _composed(self, cascade: Cascade, latency: Latency) -> Composed:
        return Composed(
            cascade=cascade,
            reach=latency.reach,
            batch_size=self._conditions.batch_size,
            measured_ms=latency.mean_ms,
        )

    def _measured(self, cascade: Cascade, profile: LatencyProfile) -> Latency:
        conditions = self._conditions
        runner, batches = self._warm(cascade)
        found = bench(
            runner,
            batches,
            profile,
            name=" > ".join(cascade.members),
            data=conditions.data,
            protocol=conditions.protocol,
        )
        return found.latency

    def _warm(self, cascade: Cascade) -> tuple[Runner, list[dict[str, NDArray[Any]]]]:
        """A cascade that is warmed up, and what it is timed on."""
        conditions = self._conditions
        runner = Runner(
            cascade,
            [self._open(member) for member in cascade.members],
            batching=Batching.on(conditions.device, max_batch_size=conditions.batch_size),
        )
        runner.warm_up()
        views = {name: self._batches(name) for name in runner.inputs}
        return runner, [{name: views[name][i] for name in views} for i in range(len(self._rows))]

    def _batches(self, name: str) -> list[NDArray[Any]]:
        if name not in self._samples:
            view = self._dataset.view(name)
            self._samples[name] = [view.samples(rows) for rows in self._rows]
        return self._samples[name]
