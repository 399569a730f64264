"""`encas tune`: from a pool to measured cascades for one device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from ..errors import MissingExtraError
from ..search.algorithms import ALGORITHMS, AUTO
from .console import Notes, emit, json_option, note, shown_progress
from .measuring_options import exporter_option, placement_options, taken_placement
from .option_texts import option

try:
    from ..jobs.tuning.tune_pool import tune as tune_pool
    from ..jobs.tuning.tune_report import Pair, TuneReport, TuneRound
except MissingExtraError as error:
    raise MissingExtraError("tuning", extra="export") from error


@click.command()
@click.argument("folder", metavar="POOL", type=click.Path(path_type=Path))
@option("--out", required=True, type=click.Path(path_type=Path))
@option("--batch-size", type=click.IntRange(min=1), required=True)
@option("--data", metavar="DATA")
@option("--evaluations", type=int)
@option("--seconds", type=float)
@option("--max-members", default=5, show_default=True)
@option("--seed", default=0, show_default=True)
@option(
    "--algorithm", type=click.Choice([AUTO, *sorted(ALGORITHMS)]), default=AUTO, show_default=True
)
@option("--every-model", is_flag=True)
@option("--measure", "n_measured", default=10, show_default=True)
@option("--export", "n_exported", default=3, show_default=True)
@option("--rounds", default=4, show_default=True)
@option("--tolerance", default=0.05, show_default=True)
@exporter_option
@placement_options
@json_option
def tune(folder: Path, *, out: Path, as_json: bool, **options: Any) -> None:
    """Find the cascades of a pool that are fast on a device, not on paper.

    Searches by MACs, measures the models that matter, searches by measured latency, measures
    cascades of both fronts, corrects the prediction by what was measured, and repeats that until
    they agree. The best cascades are exported as proven bundles. A profile in the folder is gone
    on with.

    Example: encas tune pool --device cpu --threads 1 --batch-size 8 --out tuned
    """
    placement = taken_placement(options)
    notes = Notes()
    with shown_progress(f"tuning {folder}") as show:
        report = tune_pool(
            folder,
            out=out,
            device=placement.device,
            n_threads=placement.n_threads,
            gpu_memory_bytes=placement.gpu_memory_bytes,
            cuda_graphs=placement.cuda_graphs,
            on_note=notes,
            on_progress=show,
            **options,
        )
    emit(as_json, report.to_json() | notes.to_json(), _for_people(report, out))
    if not report.has_settled:
        note(
            f"After {len(report.rounds)} rounds predictions are still off by "
            f"{report.rounds[-1].median_error:.1%} in the median: the machine is not quiet, or "
            "its times depend on more than the members."
        )


def _for_people(report: TuneReport, out: Path) -> Group:
    setting = report.setting
    table = Table(
        title=f"{setting.device_name} ({setting.provider}, {setting.n_threads} threads), "
        f"batches of {report.batch_size}",
        title_justify="left",
    )
    for column in ("error", "by MACs, ms", "predicted", "by latency, ms", "predicted", "speed-up"):
        table.add_column(column, justify="right")
    table.add_column("by latency: members (thresholds)", overflow="fold")
    for pair in report.pairs:
        table.add_row(*_row(pair))
    return Group(table, *map(escape, _sentences(report, out)))


def _row(pair: Pair) -> tuple[str, ...]:
    one, other = pair.by_macs, pair.by_latency
    return (
        f"{one.error:.2%}",
        f"{one.measured_ms:.4g}",
        f"{one.predicted_ms:.4g}",
        f"{other.measured_ms:.4g}",
        f"{other.predicted_ms:.4g}",
        f"{pair.speed_up:.2f} x",
        escape(str(other.cascade)),
    )


def _sentences(report: TuneReport, out: Path) -> list[str]:
    n_pairs = len(report.pairs)
    n_same = n_pairs - report.n_faster
    gone, new = ", ".join(report.members_gone), ", ".join(report.members_new)
    lines = [
        f"{len(report.profiled)} of {report.n_models} models were measured.",
        f"For {report.n_faster} of {n_pairs} cascades by MACs there is a faster one that is at "
        f"least as accurate, for {n_same} there is none. Where a faster one was predicted, it "
        f"was slower {report.n_mispredicted} times.",
        f"{report.n_changed} of {report.n_by_latency} cascades of the front by latency are not in "
        f"that by MACs ({report.n_by_macs} cascades). Members that are not needed any more: "
        f"{gone or 'none'}; new ones: {new or 'none'}.",
        *(
            f"Prediction, round {number}: {_round_text(one)}"
            for number, one in enumerate(report.rounds, start=1)
        ),
    ]
    if report.held_out:
        lines.append(f"Prediction, cascades not used to correct it: {_round_text(report.held_out)}")
    worst = max(report.numerics, key=lambda one: one.max_difference)
    lines.append(
        f"Stored outputs: largest difference {worst.max_difference:.2g} ({worst.name}); computed "
        f"again for: {', '.join(report.recomputed) or 'none'}."
    )
    lines += [f"Proven bundle: {path}" for path in report.bundles]
    return [*lines, f"Everything else: {out}/report.html, tune.json, front.json, profile.json"]


def _round_text(one: TuneRound) -> str:
    return (
        f"off by {one.median_error:.1%} in the median, {one.largest_error:.1%} at most, "
        f"over {one.n_cascades} cascades."
    )
