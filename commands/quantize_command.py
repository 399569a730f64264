"""`encas pool quantize`: a pool's models in float16 or int8, as new models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from .console import emit, json_option, shown_progress
from .measuring_options import exporter_option, placement_options, taken_placement

path_type = click.Path(path_type=Path)


@click.command()
@click.argument("folder", metavar="POOL", type=path_type)
@click.option("--out", required=True, type=path_type, help="Folder to make.")
@click.option("--model", "names", multiple=True, help="Only this one; may be given again.")
@click.option(
    "--to", "precision", type=click.Choice(["float16", "int8"]), required=True, help="Precision."
)
@click.option(
    "--calibrate", metavar="DATA", default="", help="Samples that int8 scales are taken from."
)
@click.option("--samples", "n_calibration", default=256, show_default=True, help="So many of them.")
@click.option(
    "--data", metavar="DATA", default="", help="What the pool was built on, if it does not say."
)
@click.option("--overwrite", is_flag=True, help="Replace the folder if it exists.")
@exporter_option
@placement_options
@json_option
def quantize(folder: Path, *, out: Path, overwrite: bool, as_json: bool, **options: Any) -> None:
    """Put models in float16 or static int8 beside a pool's models.

    A converted model is a new one, NAME-float16 or NAME-int8, with an ONNX file in the new pool
    and stored outputs of its own, computed on --device: the search decides where it is good
    enough. Nothing takes the place of the float32 model.

    Example: encas pool quantize pool --to int8 --calibrate train.zip --out pool-int8
    """
    from ..jobs.quantize_pool import QuantizeRequest, quantize_pool  # noqa: PLC0415 - needs onnx

    placement = taken_placement(options)
    request = QuantizeRequest(placement=placement, **options)
    with shown_progress() as show:
        stored, found = quantize_pool(folder, out, request, overwrite=overwrite, on_progress=show)
    table = Table(title=f"{out}: {stored.n_models} models", title_justify="left")
    for column in ("model", "accuracy", "of the original", "same answer", "differs by", "MB"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for one in found:
        table.add_row(
            one.name,
            f"{one.accuracy:.2%}",
            f"{one.original_accuracy:.2%}",
            f"{one.top1_agreement:.2%}",
            f"{one.max_difference:.2g}",
            f"{one.file_bytes / 1e6:.1f}",
        )
    emit(as_json, {"out": str(out), "models": [asdict(one) for one in found]}, table)
