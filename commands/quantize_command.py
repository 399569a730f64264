"""`encas pool quantize`: a pool's models in float16 or int8, as new models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ..intervals import wilson_interval
from .console import Notes, emit, json_option, shown_progress
from .measuring_options import exporter_option, placement_options, taken_placement
from .option_texts import option

path_type = click.Path(path_type=Path)


@click.command()
@click.argument("folder", metavar="POOL", type=path_type)
@option("--out", required=True, type=path_type)
@option("--model", "names", multiple=True)
@option("--to", "precision", type=click.Choice(["float16", "int8"]), required=True)
@option("--calibrate", metavar="DATA", default="")
@option("--samples", "n_calibration", default=256, show_default=True)
@option("--data", metavar="DATA", default="")
@option("--overwrite", is_flag=True)
@exporter_option
@placement_options
@json_option
def quantize(folder: Path, *, out: Path, overwrite: bool, as_json: bool, **options: Any) -> None:
    """Add models in float16 or static int8 to a pool's models.

    A converted model is a new one, NAME-float16 or NAME-int8, with an ONNX file in the new pool
    and stored outputs of its own, computed on --device: the search decides where it is good
    enough. Nothing takes the place of the float32 model.

    Example: encas pool quantize pool --to int8 --calibrate train.zip --out pool-int8
    """
    from ..jobs.quantize_pool import QuantizeRequest, quantize_pool  # noqa: PLC0415 - needs onnx

    placement = taken_placement(options)
    request = QuantizeRequest(placement=placement, **options)
    notes = Notes()
    with shown_progress(f"quantizing {folder}") as show:
        stored, found = quantize_pool(
            folder, out, request, overwrite=overwrite, on_note=notes, on_progress=show
        )
    table = Table(
        title=f"{out}: {stored.n_models} models, n = {stored.n_samples}", title_justify="left"
    )
    for column in ("model", "accuracy", "of the original", "same answer", "differs by", "MB"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for one in found:
        table.add_row(
            one.name,
            _percent(one.accuracy, stored.n_samples),
            _percent(one.original_accuracy, stored.n_samples),
            f"{one.top1_agreement:.2%}",
            f"{one.max_difference:.2g}",
            f"{one.file_bytes / 1e6:.1f}",
        )
    value = {"out": str(out), "models": [asdict(one) for one in found]}
    emit(as_json, value | notes.to_json(), table)


def _percent(accuracy: float, n_samples: int) -> str:
    low, high = wilson_interval(round(accuracy * n_samples), n_samples)
    return f"{accuracy:.2%} ({low:.2%} .. {high:.2%})"
