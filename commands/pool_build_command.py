"""`encas pool build`: models and data in, their stored outputs out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..evaluate.pool_summary import summarise
from ..pools.building.build_pool import BuildRequest, build_pool
from ..pools.building.build_run import BuildReport
from ..pools.models.model_requests import PRESETS, ModelFilter, ModelRefusal
from ..pools.models.run_settings import RunSettings
from ..pools.pool import Pool
from .console import Command, emit, json_option, note, shown_progress
from .pool_tables import summary_table

FILTERS = ("max_params", "max_macs", "max_resolution", "tag")
SETTINGS = ("device", "precision", "n_threads", "batch_size")
path_type = click.Path(path_type=Path)


def run_options(command: Command) -> Command:
    """The options of whatever runs models and stores a pool."""
    for option in (
        click.option("--overwrite", is_flag=True, help="Begin anew where there is a build."),
        click.option("--name", default="", help="Name of the pool; the folder's name by default."),
        click.option("--cache-gb", default=64.0, show_default=True,
                     help="Disk for decoded images."),
        click.option("--dtype", "stored", type=click.Choice(["float16", "float32"]),
                     default="float32"),
        click.option("--ray", metavar="ADDRESS",
                     help="A Ray cluster: its address, auto, or local."),
        click.option("--workers", type=int, help="Models at the same time [default: found]."),
        click.option("--batch-size", type=int, help="Samples at once [default: found]."),
        click.option("--threads", "n_threads", default=1, show_default=True, help="Of one model."),
        click.option("--precision", type=click.Choice(["float32", "float16", "bfloat16"]),
                     help="Of torch's arithmetic [default: float32; float16 on a GPU]."),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, ..."),
        click.option("--held-out", metavar="POOL", type=path_type,
                     help="Its test samples are kept here, too."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command()
@click.option(
    "--model", "models", metavar="SPEC", multiple=True, help="A model, pattern or @FILE; repeat it."
)
@click.option("--preset", type=click.Choice(PRESETS), help="A list of models.")
@click.option("--data", required=True, help="DATA: a folder, a zip, npz:FILE, imagenet:DIR, ...")
@click.option("--out", required=True, type=path_type, help="Folder to make, or to go on with.")
@click.option("--max-params", type=float, help="Of a pattern or preset: at most so many.")
@click.option("--max-macs", type=float, help="Likewise, multiply-adds per sample.")
@click.option("--max-resolution", type=int, help="Likewise, pixels.")
@click.option("--tag", help="Likewise, a pattern for the weights' tag, such as '*in1k'.")
@click.option("--samples", "n_samples", type=int, help="A stratified part of the data.")
@click.option("--seed", default=0, show_default=True, help="Of that part.")
@click.option("--class-map", help="JSON {class: output}, or imagenet, for models of more classes.")
@click.option("--download", is_flag=True, help="Fetch the data where it is not there.")
@click.option("--preprocessing", type=path_type, help="JSON, for models that know none.")
@click.option("--costs", type=path_type, help="CSV: name,COST,... for each model.")
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
    filters = {key: options.pop(key) for key in FILTERS}
    options["settings"] = run_settings(options)
    run_and_show(BuildRequest(wanted=ModelFilter(**filters), **options), out, as_json=as_json)


def run_settings(options: dict[str, Any]) -> RunSettings:
    """How models run, taken out of the values of `run_options`."""
    settings = {key: options.pop(key) for key in SETTINGS}
    settings["precision"] = settings["precision"] or _default_precision(settings["device"])
    return RunSettings(**settings)


def run_and_show(request: BuildRequest, out: Path, *, as_json: bool) -> None:
    """Builds a pool under bars, prints it, and says what is not in it."""
    with shown_progress() as show:
        report = build_pool(request, out, on_progress=show)
    summary = summarise(Pool.load(out))
    emit(as_json, summary.to_json() | {"build": _report_json(report)}, summary_table(summary))
    _note_all("failed", report.refusals)
    _note_all("have no macs", report.unpriced)


def _default_precision(device: str) -> str:
    return "float32" if device == "cpu" else "float16"


def _report_json(report: BuildReport) -> dict[str, Any]:
    return {
        "n_built": report.n_built,
        "n_passes": report.n_passes,
        "failed": [{"name": r.name, "reason": r.reason} for r in report.refusals],
        "without_macs": [{"name": r.name, "reason": r.reason} for r in report.unpriced],
    }


def _note_all(what: str, refusals: Sequence[ModelRefusal]) -> None:
    if refusals:
        note(f"{len(refusals)} models {what}:")
    for refusal in refusals:
        note(f"  {refusal.name}: {refusal.reason}")
