"""`encas pool export-models`: a pool that goes to machines without torch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ..jobs import export_models as job
from .console import Notes, emit, json_option, note, shown_progress
from .measuring_options import exporter_option
from .option_texts import option

path_type = click.Path(path_type=Path)


@click.command()
@click.argument("folder", metavar="POOL", type=path_type)
@option("--out", required=True, type=path_type)
@option("--data", metavar="DATA")
@option("--limit", type=click.IntRange(min=1), default=job.LIMIT, show_default=True)
@option("--seed", default=0, show_default=True)
@exporter_option
@option("--device", default="cpu", show_default=True)
@option("--overwrite", is_flag=True)
@json_option
def export_models(folder: Path, *, as_json: bool, **options: Any) -> None:
    """Write a pool whose models are ONNX files inside it.

    Each file takes any batch, gives what its model gives, and has its preprocessing beside it; it
    is proven against the stored outputs, which the new pool has, too. So the pool can be
    profiled, tuned and searched on another machine, without torch. Models that cannot be exported
    are told at the end; the exit code is 1 only where none could be. The same command goes on
    after Ctrl-C.

    Example: encas pool export-models pool --out portable
    """
    notes = Notes()
    with shown_progress(f"exporting the models of {folder}") as show:
        made = job.export_models(folder, on_note=notes, on_progress=show, **options)
    table = Table(title=f"{made.path}: {made.n_models} models", title_justify="left")
    for column in ("model", "gives", "same answer", "differs by", "samples", "MB"):
        table.add_column(column, justify="left" if column in ("model", "gives") else "right")
    for one in made.files:
        table.add_row(
            one.name,
            f"{one.kind} {one.precision}",
            f"{one.top1_agreement:.2%}",
            f"{one.max_difference:.2g}",
            str(one.n_samples),
            f"{one.file_bytes / 1e6:.1f}",
        )
    value = {
        "path": str(made.path),
        "n_models": made.n_models,
        "models": [asdict(one) for one in made.files],
        "failed": [asdict(one) for one in made.refusals],
    }
    emit(as_json, value | notes.to_json(), table)
    if made.refusals:
        note(f"{len(made.refusals)} models failed:")
    for refusal in made.refusals:
        note(f"  {refusal.name}: {refusal.reason}")
