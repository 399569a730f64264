"""The flow of the demo: train, search, choose, export, verify, run, measure, search again, report.

Every file lies where the other commands expect it, so that a user can go on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..data.open_data import open_data
from ..export.onnx_export import Exporter
from ..fronts.front import Front
from ..fronts.scoring import evaluate_front, front_of
from ..jobs.export_front import export_bundle
from ..jobs.measure_latency import MeasureOptions, bench_bundle, profile_models
from ..jobs.verify_bundle import verify_bundle
from ..latency import LatencyProfile
from ..pools.pool import Pool
from ..progress import OnProgress, unheard
from ..reports.comparison import best_single_model
from ..reports.report_writing import report
from ..runtime.bench import profiled_sizes
from ..runtime.clock import StabilityProtocol
from ..runtime.loading import load
from ..runtime.placement import Placement
from ..runtime.predicting import predict, save_predictions
from ..search.finder import search_pool
from ..search.options import SearchOptions
from .demo_choice import choose_on_selection
from .demo_pools import DEFAULT_TRAINING, DemoTraining, make_pools, pool_path, train_networks
from .digit_networks import RECIPES, DigitRecipe

TEST_DATA = "digits32:test"
REPORT_FILE, PROFILE_FILE = "report.html", "profile.json"
# The clock's own rule of agreement; most calls take microseconds, so shorter windows hold enough.
PROTOCOL = StabilityProtocol(min_window_ms=10, max_windows=200)
# Most networks are so small that they lose time on a second thread.
N_THREADS = 1
# It takes a hundredth of a second for each network, and every exported one is proven anyway.
EXPORTER: Exporter = "legacy"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """How much the demo does.

    Args:
        recipes: the networks to train.
        training: how; its seed is that of the searches, too.
        evaluations: of each search.
        max_members: of a cascade.
        batch_sizes: to measure at; the search by latency is for the largest.
    """

    recipes: tuple[DigitRecipe, ...] = RECIPES
    training: DemoTraining = DEFAULT_TRAINING
    evaluations: int = 20_000
    max_members: int = 3
    batch_sizes: tuple[int, ...] = (1, 8)


DEFAULT_SETTINGS = DemoSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A cascade that was searched, chosen, exported, verified and run.

    Args:
        fronts: the searched front and the same cascades on the test split, as files.
        bundle: the exported cascade.
        notes: what a reader must know of the choice and the proof.
    """

    fronts: tuple[Path, ...]
    bundle: Path
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo found.

    Args:
        path: report.html.
        table: a header, then a row for each figure; the best single model comes first.
        notes: how the cascades were chosen and proven.
        verdicts: what the table says of each cascade.
    """

    path: Path
    table: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    verdicts: tuple[str, ...]


def run_demo(
    out: Path, *, settings: DemoSettings = DEFAULT_SETTINGS, on_progress: OnProgress = unheard
) -> DemoResult:
    """Runs the whole loop and writes everything into the folder `out`.

    Trained networks that lie there already are used again.

    Raises:
        EncasError: a step failed; what came before it stays.
    """
    out.mkdir(parents=True, exist_ok=True)
    networks = train_networks(
        out, settings.recipes, settings=settings.training, on_progress=on_progress
    )
    pools = make_pools(out, networks)
    loop = _Loop(out=out, settings=settings, on_progress=on_progress, pools=pools)
    by_macs = loop.choose(SearchOptions(objectives=("macs",)))
    profile = loop.profile()
    single = loop.export_single()
    loop.measure(single, profile)
    loop.measure(by_macs.bundle, profile)
    largest = max(settings.batch_sizes)
    by_latency = loop.choose(
        SearchOptions(objectives=("latency",), batch_size=largest), profile=profile
    )
    loop.measure(by_latency.bundle, profile)
    page = report(
        *by_macs.fronts,
        *by_latency.fronts,
        out=out / REPORT_FILE,
        pools=[pool_path(out, "selection"), pool_path(out, "test")],
        bundles=[by_macs.bundle, by_latency.bundle],
        single=single,
        profile=out / PROFILE_FILE,
    )
    return DemoResult(
        path=out / REPORT_FILE,
        table=page.table,
        notes=(*by_macs.notes, *by_latency.notes),
        verdicts=page.verdicts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loop:
    """What every turn of the loop needs."""

    out: Path
    settings: DemoSettings
    on_progress: OnProgress
    pools: Mapping[str, Pool]

    def choose(self, options: SearchOptions, *, profile: LatencyProfile | None = None) -> Chosen:
        """Searches, chooses on the selection split, exports, verifies and runs."""
        objective = options.objectives[0]
        suffix = "" if objective == "macs" else f"_{objective}"
        front = self._search(options, profile)
        files = {split: self.out / f"front{suffix}_{split}.json" for split in ("selection", "test")}
        files["search"] = self.out / f"front{suffix}.json"
        fronts = {"search": front} | {
            split: evaluate_front(front, self.pools[split], profile=profile)
            for split in ("selection", "test")
        }
        for split, path in files.items():
            fronts[split].save(path)
        choice = choose_on_selection(fronts["selection"], self.pools["selection"], profile=profile)
        bundle = self.out / f"bundle{suffix}"
        export_bundle(
            front,
            self.pools["search"],
            out=bundle,
            index=choice.index,
            data=self.pools["search"].data,
            exporter=EXPORTER,
            overwrite=True,
            on_progress=self.on_progress,
        )
        proof = self._verify(bundle)
        prediction = predict(
            load(bundle, n_threads=N_THREADS), open_data(TEST_DATA), on_progress=self.on_progress
        )
        save_predictions(prediction, self.out / f"predictions{suffix}.npz")
        notes = (choice.note(objective), f"{bundle.name}: {proof}.")
        return Chosen(fronts=(files["search"], files["test"]), bundle=bundle, notes=notes)

    def profile(self) -> LatencyProfile:
        """Measures every network through ONNX Runtime, afresh."""
        path = self.out / PROFILE_FILE
        path.unlink(missing_ok=True)
        sizes = sorted({b for size in self.settings.batch_sizes for b in profiled_sizes(size)})
        return profile_models(
            pool_path(self.out, "search"),
            batch_sizes=sizes,
            out=path,
            n_threads=N_THREADS,
            exporter=EXPORTER,
            protocol=PROTOCOL,
            on_progress=self.on_progress,
        )

    def export_single(self) -> Path:
        """Exports the best single model of the selection split, a cascade of one."""
        pool, bundle = self.pools["search"], self.out / "bundle_single"
        front = front_of([best_single_model(self.pools["selection"])], pool)
        export_bundle(
            front,
            pool,
            out=bundle,
            index=0,
            data=pool.data,
            exporter=EXPORTER,
            overwrite=True,
            on_progress=self.on_progress,
        )
        return bundle

    def measure(self, bundle: Path, profile: LatencyProfile) -> None:
        """Measures a bundle on the test split and notes the times in it."""
        bench_bundle(
            bundle,
            self.settings.batch_sizes,
            options=MeasureOptions(placement=Placement(n_threads=N_THREADS), protocol=PROTOCOL),
            data=TEST_DATA,
            profile=profile,
            on_progress=self.on_progress,
        )

    def _search(self, options: SearchOptions, profile: LatencyProfile | None) -> Front:
        settings = self.settings
        options = replace(
            options,
            evaluations=settings.evaluations,
            max_members=settings.max_members,
            seed=settings.training.seed,
        )
        finding = search_pool(
            self.pools["search"], options, profile=profile, on_progress=self.on_progress
        )
        if finding.interrupted:
            raise KeyboardInterrupt
        return finding.front

    def _verify(self, bundle: Path) -> str:
        verdict = verify_bundle(
            bundle, data=TEST_DATA, pool=self.pools["test"], on_progress=self.on_progress
        )
        verdict.require()
        flips = {flip.sample for proof in verdict.proofs for flip in proof.flips}
        agree = verdict.n_samples - len(flips)
        return (
            f"{agree} of {verdict.n_samples} test images have the label and the exit stage that "
            "the stored outputs give, by the executor and by the one-graph cascade"
        )
