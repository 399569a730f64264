"""`encas pool build`: models and data in, their stored outputs out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..evaluate.pool_summary import summarise
from ..pools.building.build_pool import build_pool
from ..pools.building.build_run import BuildReport
from ..pools.models.model_requests import PRESETS, ModelRefusal, ModelRequest
from ..pools.pool import Pool
from .console import Command, emit, json_option, note, shown_progress
from .option_texts import option
from .pool_tables import summary_table

path_type = click.Path(path_type=Path)


def run_options(command: Command) -> Command:
    """The options of whatever runs models and stores a pool."""
    for each in (
        option("--overwrite", is_flag=True),
        option("--name", default=""),
        option("--cache-gb", default=64.0, show_default=True),
        option("--dtype", "stored", type=click.Choice(["float16", "float32"]),
                     default="float32"),
        option("--ray", metavar="ADDRESS"),
        option("--workers", type=int),
        option("--batch-size", type=int),
        option("--threads", "n_threads", default=1, show_default=True),
        option("--precision", type=click.Choice(["float32", "float16", "bfloat16"])),
        option("--device", default="cpu", show_default=True),
        option("--held-out", metavar="POOL", type=path_type),
    ):  # fmt: skip
        command = each(command)
    return command


@click.command()
@option("--model", "models", metavar="SPEC", multiple=True)
@option("--preset", type=click.Choice(PRESETS))
@option("--data", required=True)
@option("--out", required=True, type=path_type)
@option("--max-params", type=float)
@option("--max-macs", type=float)
@option("--max-resolution", type=int)
@option("--tag")
@option("--samples", "n_samples", type=int)
@option("--seed", default=0, show_default=True)
@option("--class-map")
@option("--download", is_flag=True)
@option("--skip-broken", is_flag=True)
@option("--preprocessing", type=path_type)
@option("--costs", type=path_type)
@run_options
@json_option
def build(out: Path, as_json: bool, **options: Any) -> None:
    """Run models over data and store their outputs as a pool.

    Each model gets the images as its own preprocessing makes them; models that agree on the
    pixels share one pass over the images. Every model's outputs are stored as they are done:
    after Ctrl-C or a crash, the same command goes on where it was. Models that fail are told at
    the end; the exit code is 1 only where none succeeded.

    Example: encas pool build --model 'timm:*mobilenet*' --data imagenetv2:DIR --out pool

    Example: encas pool build --model 'onnx:nets/*.onnx' --data val.zip --out pool
    """
    run_and_show(options.pop("models"), out, as_json=as_json, **options)


def run_and_show(
    models: Sequence[str | ModelRequest], out: Path, *, as_json: bool, **options: Any
) -> None:
    """Builds a pool under bars, prints it, and says what is not in it."""
    with shown_progress(f"building {out}") as show:
        report = build_pool(models, out=out, on_progress=show, **options)
    summary = summarise(Pool.load(out))
    emit(as_json, summary.to_json() | {"build": _report_json(report)}, summary_table(summary))
    _note_all("failed", report.refusals)
    _note_all("have no macs", report.unpriced)
    _note_all("look odd", report.doubts)


def _report_json(report: BuildReport) -> dict[str, Any]:
    return {
        "n_built": report.n_built,
        "n_passes": report.n_passes,
        "notes": list(report.notes),
        "failed": [{"name": r.name, "reason": r.reason} for r in report.refusals],
        "without_macs": [{"name": r.name, "reason": r.reason} for r in report.unpriced],
        "doubts": [{"name": r.name, "reason": r.reason} for r in report.doubts],
    }


def _note_all(what: str, refusals: Sequence[ModelRefusal]) -> None:
    if refusals:
        note(f"{len(refusals)} models {what}:")
    for refusal in refusals:
        note(f"  {refusal.name}: {refusal.reason}")
