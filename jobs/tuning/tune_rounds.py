"""Predict, measure, correct, search again: `TuneRounds` turns until both agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ...fronts.front import Front
from ...fronts.scoring import evaluate_front
from ...latency import LatencyProfile
from ...pools.pool import Pool
from ...progress import OnProgress, Progress, counted, unheard
from ...search.finder import search_pool
from .candidates import best_of, merged, rival_of, spread
from .correction import fitted
from .tune_bench import TuneBench
from .tune_report import Pair, TimedCascade, TuneRound
from .tune_settings import TuneSettings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """What the rounds end with.

    Args:
        profile: corrected.
        by_macs: the front by MACs, scored by predicted time.
        by_latency: the front by predicted time.
        pairs: both, measured.
        rounds: one for each turn.
    """

    profile: LatencyProfile
    by_macs: Front
    by_latency: Front
    pairs: tuple[Pair, ...]
    rounds: tuple[TuneRound, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TuneRounds:
    """Turns of predicting, measuring and correcting.

    Args:
        pool: the models that were measured, as they answer where they run.
        bench: measures composed cascades.
        settings: how.
        on_progress: hears of searches and measurements.
    """

    pool: Pool
    bench: TuneBench
    settings: TuneSettings
    on_progress: OnProgress

    def turned(self, by_macs: Front, profile: LatencyProfile) -> Found:
        """Predicts, measures and corrects until both agree, or the rounds are over."""
        rounds: list[TuneRound] = []
        while True:
            retimed = timed(by_macs, self.pool, profile, self.settings.batch_size)
            found = searched(
                self.pool, "latency", self.settings, profile=profile, on_progress=self.on_progress
            )
            by_latency = merged(found, retimed.cascades)
            pairs = self.pairs(retimed, by_latency, profile)
            sides = {one.cascade: one for pair in pairs for one in (pair.by_macs, pair.predicted)}
            rounds.append(TuneRound.of([one.prediction_error for one in sides.values()]))
            is_good = rounds[-1].median_error <= self.settings.tolerance
            if is_good or len(rounds) == self.settings.rounds:
                return Found(
                    profile=profile,
                    by_macs=retimed,
                    by_latency=by_latency,
                    pairs=pairs,
                    rounds=tuple(rounds),
                )
            profile = fitted(profile, self.bench.known)

    def pairs(self, by_macs: Front, by_latency: Front, profile: LatencyProfile) -> tuple[Pair, ...]:
        """Cascades of the front by MACs, each beside the fastest that is as accurate, measured."""
        pairs: list[Pair] = []
        places = spread(len(by_macs.cascades), self.settings.n_measured)
        for place in self._counted(places, "measuring cascades"):
            one = by_macs.cascades[place]
            timed = self.bench.timed(one, profile)
            rival = self.bench.timed(rival_of(by_latency, one.error), profile)
            pairs.append(Pair(by_macs=timed, predicted=rival, by_latency=rival))
        return tuple(pairs)

    def held_out(self, found: Found) -> TuneRound | None:
        """How good the prediction is for cascades that did not correct it; None: there are none."""
        known = {one.cascade for one in self.bench.known}
        others = [one for one in found.by_latency.cascades if one.cascade not in known]
        places = spread(len(others), self.settings.n_measured) if others else []
        errors = [
            self.bench.timed(others[place], found.profile).prediction_error
            for place in self._counted(places, "measuring further cascades")
        ]
        return TuneRound.of(errors) if errors else None

    def recommended(self, found: Found) -> tuple[Front, tuple[Pair, ...]]:
        """The front of measured times, and the pairs with what it has for each cascade by MACs.

        The cascades of both fronts that were measured, and the best of what else was, are timed
        once more, in turns, and of these the ones that are not dominated are the front: nothing
        by MACs that was timed can be faster and as accurate.
        """
        scored = {one.cascade: one for one in (*found.by_macs.cascades, *found.by_latency.cascades)}
        known = {one.cascade: one for one in self.bench.known if one.cascade in scored}
        once = [replace(scored[one], cost=known[one].measured_ms) for one in known]
        sides = [one.cascade for pair in found.pairs for one in (pair.by_macs, pair.predicted)]
        best = [one.cascade for one in best_of(found.by_latency, once).cascades]
        cascades = list(dict.fromkeys([*sides, *best]))
        self.on_progress(Progress(what="measuring cascades in turns", total=1))
        times = dict(zip(cascades, self.bench.in_turns(cascades), strict=True))
        self.on_progress(Progress(what="measuring cascades in turns", done=1, total=1))
        final = [replace(scored[one], cost=times[one]) for one in cascades]
        front = best_of(found.by_latency, final)

        def timed(one: TimedCascade) -> TimedCascade:
            return replace(one, measured_ms=times[one.cascade])

        return front, tuple(
            Pair(
                by_macs=timed(pair.by_macs),
                predicted=timed(pair.predicted),
                by_latency=timed(
                    self.bench.timed(rival_of(front, pair.by_macs.error), found.profile)
                ),
            )
            for pair in found.pairs
        )

    def _counted(self, places: Sequence[int], what: str) -> Iterator[int]:
        return counted(places, what=what, unit="cascades", on_progress=self.on_progress)


def searched(
    pool: Pool,
    objective: str,
    settings: TuneSettings,
    *,
    profile: LatencyProfile | None = None,
    on_progress: OnProgress = unheard,
) -> Front:
    """The front of a pool by one cost."""
    options = replace(
        settings.searching,
        objectives=(objective,),
        batch_size=settings.batch_size if profile else 1,
    )
    found = search_pool(pool, options, profile=profile, on_progress=on_progress)
    if found.interrupted:
        raise KeyboardInterrupt
    return found.front


def timed(front: Front, pool: Pool, profile: LatencyProfile, batch_size: int) -> Front:
    """A front's cascades with predicted times as their costs."""
    renamed = replace(front, objectives=("error", "latency"), batch_size=batch_size)
    return evaluate_front(renamed, pool, profile=profile)
