"""The whole circle: search by MACs, measure, search by latency, measure, correct, search again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ...class_names import OnNote, unnoted
from ...data.dataset import Dataset
from ...data.open_data import open_views
from ...errors import PoolError
from ...files import json_text, write_atomically
from ...fronts.front import Front
from ...latency import LatencyProfile
from ...manifest import Manifest
from ...pools.pool import Pool
from ...pools.pool_tools import Wanted, filter_pool
from ...progress import OnProgress, counted, unheard
from ...reports.content import report_of
from ...reports.page import html_page
from ...runtime.bench import profiled_sizes
from ...runtime.ort_session import OrtSession
from ..export_front import export_bundle
from ..joined_data import joined_data
from ..measure_latency import profile_targets
from ..pool_targets import PoolModels
from .candidates import members_that_matter, spread
from .deployed import Numerics, compared, recomputed
from .tune_bench import Conditions, TuneBench
from .tune_report import TuneReport, changes
from .tune_rounds import Found, TuneRounds, searched
from .tune_settings import TuneSettings

# Sessions that are open at the same time: each holds its weights.
OPEN_SESSIONS = 64


def run_tuning(
    pool: Pool,
    out: Path,
    *,
    settings: TuneSettings,
    data: str | None = None,
    on_note: OnNote = unnoted,
    on_progress: OnProgress = unheard,
) -> TuneReport:
    """Runs every step of tuning a pool; see `tune_pool.tune`."""
    data = data or pool.data
    if not data:
        raise PoolError(
            "the pool does not say what it was built on; give --data DATA",
            where=str(pool.path or f"pool {pool.name}"),
        )
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="encas-") as members:
        models = PoolModels(
            pool,
            Path(members),
            settings.measuring.placement,
            exporter=settings.measuring.exporter,
            data=data,
        )
        return _Tuning(
            pool=pool,
            models=models,
            open_model=lru_cache(maxsize=OPEN_SESSIONS)(models.open),
            dataset=joined_data(
                open_views(data, models.views.preprocessings), pool, is_whole=True, on_note=on_note
            ).dataset.as_types(models.dtypes),
            out=out,
            settings=settings,
            on_progress=on_progress,
        ).run()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tuning:
    """What every step needs."""

    pool: Pool
    models: PoolModels
    open_model: Callable[[str], OrtSession]
    dataset: Dataset
    out: Path
    settings: TuneSettings
    on_progress: OnProgress

    def run(self) -> TuneReport:
        """The whole circle."""
        by_macs = searched(self.pool, "macs", self.settings, on_progress=self.on_progress)
        by_macs.save(self.out / "front_macs.json")
        names = members_that_matter(self.pool, by_macs)
        if self.settings.every_model:
            names = self.pool.names
        profile = self.profiled(names)
        numerics = self.numerics(names)
        pool = self.deployed(tuple(one.name for one in numerics if not one.agrees))
        wanted = Wanted(only=frozenset(names))
        measured = filter_pool(pool, self.out / "measured", wanted, overwrite=True)
        bench = TuneBench(self.open_model, self.dataset, self.conditions())
        rounds = TuneRounds(
            pool=measured, bench=bench, settings=self.settings, on_progress=self.on_progress
        )
        found = rounds.turned(by_macs, profile)
        held_out = rounds.held_out(found)
        front, pairs = rounds.recommended(found)
        front.save(self.out / "front.json")
        found.by_latency.save(self.out / "front_latency.json")
        found.profile.save(self.out / "profile.json")
        report = TuneReport(
            setting=found.profile.setting,
            batch_size=self.settings.batch_size,
            n_models=self.pool.n_models,
            profiled=names,
            numerics=numerics,
            recomputed=tuple(one.name for one in numerics if not one.agrees),
            rounds=found.rounds,
            held_out=held_out,
            tolerance=self.settings.tolerance,
            corrections=dict(found.profile.corrections),
            overhead_correction=found.profile.overhead_correction,
            pairs=pairs,
            **changes(found.by_macs, found.by_latency),
            bundles=self.exported(front, pool, bench, found.profile),
        )
        write_atomically(self.out / "tune.json", json_text(report.to_json()))
        self.write_page(found, measured, report.bundles)
        return report

    def profiled(self, names: Sequence[str]) -> LatencyProfile:
        """The times of members alone; what the folder's profile knows is not measured again."""
        path = self.out / "profile.json"
        sizes = profiled_sizes(self.settings.batch_size)
        if path.is_file():
            profile = LatencyProfile.load(path)
            replace(profile, corrections={}, overhead_correction=1.0).save(path)
        return profile_targets(
            [target for target in self.models.targets() if target.name in names],
            sizes,
            out=path,
            options=self.settings.measuring,
            on_progress=self.on_progress,
        )

    def numerics(self, names: Sequence[str]) -> tuple[Numerics, ...]:
        """How far each model is from its stored outputs where it runs."""
        what = "comparing with the stored outputs"
        return tuple(
            compared(self.pool, name, self.open_model(name), self.dataset)
            for name in counted(names, what=what, unit="models", on_progress=self.on_progress)
        )

    def deployed(self, names: Sequence[str]) -> Pool:
        """The pool as its models answer where they run: the stored one, if that is the same."""
        if not names:
            return self.pool
        folder = self.out / "pool"
        pool = recomputed(
            self.pool,
            names,
            self.open_model,
            self.dataset,
            folder,
            on_progress=self.on_progress,
        )
        return pool.save(folder, overwrite=True)

    def conditions(self) -> Conditions:
        """Under which composed cascades are measured."""
        return Conditions(
            device=self.settings.measuring.placement.device,
            batch_size=self.settings.batch_size,
            protocol=self.settings.measuring.protocol,
            data=self.dataset.name,
        )

    def exported(
        self, front: Front, pool: Pool, bench: TuneBench, profile: LatencyProfile
    ) -> tuple[Path, ...]:
        """Bundles of some cascades of the measured front, proven, with their times."""
        is_cpu = self.settings.measuring.placement.device == "cpu"
        paths: list[Path] = []
        places = spread(len(front.cascades), self.settings.n_exported)
        what = "exporting and proving"
        exporting = counted(places, what=what, unit="bundles", on_progress=self.on_progress)
        for number, place in enumerate(exporting, start=1):
            path = self.out / "bundles" / str(number)
            # The proof runs on the CPU, and so must the outputs that it is held against.
            proven = pool if is_cpu else self.pool
            manifest = export_bundle(
                front,
                proven,
                out=path,
                index=place,
                data=self.dataset.name,
                exporter=self.settings.measuring.exporter,
                overwrite=True,
                on_progress=self.on_progress,
            )
            latency = bench.latency(front.cascades[place].cascade, profile)
            manifest.with_latency(latency).save(path)
            paths.append(path)
        return tuple(paths)

    def write_page(self, found: Found, pool: Pool, bundles: Sequence[Path]) -> None:
        """Writes report.html: both fronts, and the exported cascades beside the best model."""
        report = report_of(
            [found.by_macs, found.by_latency],
            pools=[pool],
            bundles=[Manifest.load(path) for path in bundles],
            profile=found.profile,
        )
        write_atomically(self.out / "report.html", html_page(report))
