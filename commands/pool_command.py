"""`encas pool`: build, import, show, check, combine and export pools of stored outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Group
from rich.table import Table

from ..evaluate.pool_summary import summarise
from ..files import write_atomically
from ..fronts.diversity import diversity_of, pair_table, uses_of
from ..fronts.front import Front
from ..pools.calibration import fit_temperatures, temperatures_like
from ..pools.import_pool import import_pool
from ..pools.pool import Pool
from ..pools.pool_check import check_outputs, check_pool
from ..pools.pool_npz import export_npz
from ..pools.pool_samples import moved_models, refuse_held_out
from .console import Notes, emit, json_option, shown_progress
from .option_texts import option
from .pool_tables import details_tables, summary_table


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@option("--out", required=True, type=click.Path(path_type=Path))
@option("--name")
@option("--dtype", type=click.Choice(["float16", "float32"]))
@option("--costs", type=click.Path(path_type=Path))
@option("--overwrite", is_flag=True)
@json_option
def import_(file: Path, *, out: Path, overwrite: bool, as_json: bool, **options: Any) -> None:
    """Make a pool folder of outputs in FILE.npz, .parquet, .csv or a folder.

    The arrays of an .npz file: outputs [M, N, C], label [N], name [M], macs [M]; optional kind [M]
    (probabilities or logits), params [M], cost_<name> [M], source [M], classes [C] by label,
    output_classes [C] where the outputs' classes are others or in another order. A folder has them
    as NAME.npy, with models.csv for what is known of the models; a parquet file has a list for
    each model, a CSV file label and MODEL:CLASS in its header (docs/pools.md). --costs may bring
    the macs.

    Example: encas pool import outputs.npz --out pool

    Example: encas pool import table.csv --costs macs.csv --out pool
    """
    notes = Notes()
    with shown_progress(f"importing {file}"):
        read = import_pool(file, on_note=notes, **options)
        summary = summarise(read.save(out, overwrite=overwrite))
    emit(as_json, summary.to_json() | notes.to_json(), summary_table(summary))


@click.command()
@click.argument("folder", metavar="POOL", type=click.Path(path_type=Path))
@option("--details", is_flag=True)
@option(
    "--front",
    "fronts",
    metavar="FRONT.json",
    multiple=True,
    type=click.Path(path_type=Path),
)
@option(
    "--pairs",
    metavar="FILE.csv",
    type=click.Path(path_type=Path),
)
@json_option
def show(
    folder: Path, details: bool, fronts: tuple[Path, ...], pairs: Path | None, as_json: bool
) -> None:
    """Show the models of a pool: accuracy with interval, costs.

    Example: encas pool show pool

    Example: encas pool show pool --details --front front.json --pairs pairs.csv
    """
    stored = Pool.load(folder)
    with shown_progress(f"reading {folder}"):
        check_outputs(stored)
        if pairs:
            write_atomically(pairs, pair_table(stored))
        summary = summarise(stored)
        diversity = diversity_of(stored) if details else None
    uses = uses_of([Front.load(file) for file in fronts]) if fronts else None
    value = summary.to_json()
    value |= {"details": diversity.to_json()} if diversity else {}
    value |= {"uses": {name: uses[name] for name in stored.names}} if uses is not None else {}
    emit(as_json, value, Group(*details_tables(summary, diversity, uses)))


@click.command()
@click.argument("folder", metavar="POOL", type=click.Path(path_type=Path))
@json_option
def check(folder: Path, as_json: bool) -> None:
    """Read all of a pool and check its hashes and values.

    Example: encas pool check pool
    """
    with shown_progress(f"checking {folder}") as show:
        checked = check_pool(folder, check_contenders=_check_contenders, on_progress=show)
    text = f"{folder}: {checked.n_models} models, {checked.n_samples} samples: all hashes agree"
    emit(as_json, {"path": str(folder), "sha256": checked.sha256, "ok": True}, text)


def _check_contenders(folder: Path) -> None:
    from ..evaluate.contender_store import check_contenders  # noqa: PLC0415 - needs numba

    check_contenders(folder)


@click.command()
@click.argument("folder", metavar="POOL", type=click.Path(path_type=Path))
@option("--out", required=True, type=click.Path(path_type=Path))
@json_option
def export(folder: Path, out: Path, as_json: bool) -> None:
    """Write the arrays of a pool as FILE.npz, or its rows as FILE.parquet.

    Example: encas pool export pool --out outputs.npz
    """
    stored = Pool.load(folder)
    with shown_progress(f"writing {out}"):
        if out.suffix == ".parquet":
            from ..pools.pool_parquet import export_parquet  # noqa: PLC0415 - pyarrow is optional

            export_parquet(stored, out)
        else:
            export_npz(stored, out)
    text = f"{out}: outputs [{stored.n_models}, {stored.n_samples}, {stored.n_classes}]"
    emit(as_json, {"path": str(out), "sha256": stored.sha256}, text)


@click.command()
@click.argument("folder", metavar="POOL", type=click.Path(path_type=Path))
@option("--out", required=True, type=click.Path(path_type=Path))
@option("--like", type=click.Path(path_type=Path))
@option("--overwrite", is_flag=True)
@json_option
def calibrate(folder: Path, out: Path, like: Path | None, overwrite: bool, as_json: bool) -> None:
    """Fit a temperature for each model of a pool.

    Fit them on the search split; --like takes those of another pool.

    Example: encas pool calibrate pool --out calibrated

    Example: encas pool calibrate test_pool --like calibrated --out calibrated_test
    """
    stored = Pool.load(folder)
    if like is None:
        refuse_held_out(stored, purpose="fit temperatures")
    notes = Notes()
    with shown_progress(f"writing {out}") as show:
        if like is None:
            chosen = fit_temperatures(stored, on_note=notes, on_progress=show)
        else:
            chosen = temperatures_like(stored, Pool.load(like))
        moved = replace(stored, models=moved_models(stored, out))
        made = moved.with_temperatures(chosen).save(out, overwrite=overwrite)
    table = Table("model", "temperature")
    for model in made.models:
        table.add_row(model.name, f"{model.temperature:.3f}")
    value = {"path": str(out), "temperatures": dict(zip(made.names, chosen, strict=True))}
    emit(as_json, value | notes.to_json(), table)
