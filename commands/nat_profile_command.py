"""`encas nat profile`: measures subnets, so that `encas nat run` can search for short times."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from ..jobs.measure_latency import MeasureOptions
from ..jobs.measure_passes import profile_in_passes
from ..jobs.pool_targets import spec_targets
from ..latency import LatencyProfile
from ..nat.designs import NAMES, space_of
from ..nat.space import sample_distinct
from ..nat.subnet_latency import FEWEST_SUBNETS, SubnetLatency
from ..nat.subnets import spec_of, subnet_name
from .console import emit, json_option, note, shown_progress
from .measuring_options import (
    batch_sizes_option,
    exporter_option,
    placement_options,
    protocol_options,
    taken_placement,
    taken_protocol,
)
from .option_texts import option


@click.command()
@option("--supernet", required=True, type=click.Choice(NAMES))
@option("--classes", "n_classes", required=True, type=click.IntRange(min=1))
@option("--size", type=click.IntRange(min=1))
@option("--channels", "n_channels", default=3, show_default=True)
@option(
    "--subnets",
    "n_subnets",
    type=click.IntRange(min=FEWEST_SUBNETS),
    default=48,
    show_default=True,
)
@option(
    "--passes",
    "n_passes",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
)
@option("--seed", default=0, show_default=True)
@option("--out", required=True, type=click.Path(path_type=Path))
@exporter_option
@batch_sizes_option
@protocol_options
@placement_options
@json_option
def profile(
    supernet: str, *, out: Path, batch_sizes: tuple[int, ...], as_json: bool, **what: Any
) -> None:
    """Measure random subnets, so that a run can search for short times.

    `encas nat run --latency` takes the profile. The weights are random: time does not depend on
    them. From their times any subnet's is predicted, block by block; how far that is from times
    that had no part in it is printed. Each is measured in several passes over all of them, so
    that a machine that is busy for a while does not matter. What is measured already is not
    measured again, so the same command goes on after a crash.

    Example: encas nat profile --supernet small-mobile --size 16 --classes 10 --batch-size 1
    --threads 1 --out profile.json
    """
    n_classes = what["n_classes"]
    space = space_of(supernet, size=what["size"], n_channels=what["n_channels"])
    genomes = sample_distinct(space, what["n_subnets"], np.random.default_rng(what["seed"]))
    specs = {subnet_name(space, g): spec_of(space, g, n_classes=n_classes) for g in genomes}
    options = MeasureOptions(
        placement=taken_placement(what),
        protocol=taken_protocol(what),
        exporter=what.pop("exporter"),
    )
    n_passes, exporter = what["n_passes"], options.exporter
    targets = spec_targets(specs, options.placement, exporter=exporter, keep_files=n_passes > 1)
    with shown_progress("opening subnets") as show, targets as found:
        measured = profile_in_passes(
            found, batch_sizes, out=out, options=options, n_passes=n_passes, on_progress=show
        )
    fitted = [
        SubnetLatency.fit(measured, space, n_classes=n_classes, batch_size=size)
        for size in sorted(set(batch_sizes))
    ]
    content = {
        "path": str(out),
        "setting": asdict(measured.setting),
        "fits": [{"batch_size": fit.batch_size, **asdict(fit.quality)} for fit in fitted],
    }
    emit(as_json, content, _table(measured, fitted))
    if measured.note:
        note(measured.note)
    command = f"encas nat run --supernet {supernet} --latency {out} ..."
    note(f"{out}: `{command}` searches for short times")


def _table(measured: LatencyProfile, fitted: list[SubnetLatency]) -> Table:
    setting = measured.setting
    title = f"{setting.device_name}, {setting.provider}, {setting.n_threads} threads"
    table = Table(title=title, title_justify="left")
    for column in ("batch size", "subnets", "error, median", "error, largest", "tau"):
        table.add_column(column, justify="right")
    for fit in fitted:
        quality = fit.quality
        table.add_row(
            str(fit.batch_size),
            str(quality.n),
            f"{quality.median_error:.1%}",
            f"{quality.largest_error:.1%}",
            f"{quality.tau:.2f}",
        )
    return table
