"""`encas pool merge|filter|dedup|split|diff|cost`: pools out of pools."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from ..errors import PoolError
from ..evaluate.pool_summary import PoolSummary, summarise
from ..fronts.diversity import uses_of
from ..fronts.front import Front
from ..pools.cost_table import read_costs, with_costs
from ..pools.pool import Pool
from ..pools.pool_difference import compare_pools
from ..pools.pool_samples import moved_models, write_part
from ..pools.pool_split import split_pool
from ..pools.pool_tools import Wanted, filter_pool, find_twins, merge_pools
from ..pools.pool_writing import write_pool
from .console import Notes, emit, json_option, shown_progress
from .option_texts import option
from .pool_tables import comparison_table, summary_table

path_type = click.Path(path_type=Path)
folder_argument = click.argument("folder", metavar="POOL", type=path_type)
out_option = option("--out", required=True, type=path_type)
overwrite_option = option("--overwrite", is_flag=True)


@click.command()
@click.argument("folders", metavar="POOL...", type=path_type, nargs=-1, required=True)
@out_option
@option("--name")
@overwrite_option
@json_option
def merge(
    folders: tuple[Path, ...], out: Path, name: str | None, overwrite: bool, as_json: bool
) -> None:
    """Put the models of pools of the same samples into one pool.

    Example: encas pool merge mine theirs --out both
    """
    notes = Notes()
    with shown_progress(f"merging {len(folders)} pools"):
        pools = [Pool.load(folder) for folder in folders]
        summary = summarise(merge_pools(pools, out, name=name, overwrite=overwrite, on_note=notes))
    _emit(summary, as_json, notes)


@click.command("filter")
@folder_argument
@out_option
@option("--model", "names", multiple=True)
@option("--without", multiple=True)
@option("--max", "most", metavar="COST=VALUE", multiple=True)
@option("--min-accuracy", default=0.0)
@option("--front", type=path_type)
@option("--without-samples-of", "other", metavar="POOL", type=path_type)
@overwrite_option
@json_option
def filter_(  # noqa: PLR0913, PLR0917 - one parameter for each option
    folder: Path,
    out: Path,
    names: tuple[str, ...],
    without: tuple[str, ...],
    most: tuple[str, ...],
    min_accuracy: float,
    front: Path | None,
    other: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Keep some of a pool's models or samples.

    Example: encas pool filter pool --model 'resnet*' --max macs=5e9 --out resnets
    """
    wanted = Wanted(
        names=names,
        without=without,
        most=dict(_limit(text) for text in most),
        min_accuracy=min_accuracy,
        only=frozenset(uses_of([Front.load(front)])) if front else None,
    )
    with shown_progress(f"filtering {folder}"):
        others = Pool.load(other) if other else None
        made = filter_pool(Pool.load(folder), out, wanted, without=others, overwrite=overwrite)
        summary = summarise(made)
    _emit(summary, as_json)


@click.command()
@folder_argument
@out_option
@option("--difference", default=0.01, show_default=True)
@option("--cost", default="macs", show_default=True)
@overwrite_option
@json_option
def dedup(
    folder: Path, out: Path, difference: float, cost: str, overwrite: bool, as_json: bool
) -> None:
    """Leave out every model that answers almost as a cheaper one does.

    Two models are near-identical where the differences of their probabilities, summed over the
    classes, are at most so large on average.

    Example: encas pool dedup pool --out distinct
    """
    stored = Pool.load(folder)
    with shown_progress(f"comparing {stored.n_models} models"):
        twins = find_twins(stored, difference=difference, cost=cost)
        left_out = {twin.name for twin in twins}
        kept = [i for i, name in enumerate(stored.names) if name not in left_out]
        made = write_part(stored, out, models=kept, overwrite=overwrite)
    table = Table("left out", "almost as", "difference")
    for twin in twins:
        table.add_row(twin.name, twin.like, f"{twin.difference:.2g}")
    value = {
        "path": str(out),
        "n_models": made.n_models,
        "left_out": [
            {"name": twin.name, "like": twin.like, "difference": twin.difference} for twin in twins
        ],
    }
    emit(as_json, value, table)


@click.command()
@folder_argument
@out_option
@option("--search", default=0.5, show_default=True)
@option("--selection", default=0.25, show_default=True)
@option("--test", default=0.25, show_default=True)
@option("--seed", default=0, show_default=True)
@json_option
def split(
    folder: Path,
    out: Path,
    search: float,
    selection: float,
    test: float,
    seed: int,
    as_json: bool,
) -> None:
    """Split a pool into parts for search, selection and test.

    OUT/search, OUT/selection and OUT/test have the classes' shares of the pool. The test samples
    are noted in all parts and in POOL itself: no search takes a pool that has one of them,
    whatever the pool was made of.

    Example: encas pool split pool --search .5 --selection .25 --test .25 --seed 1 --out parts
    """
    shares = {"search": search, "selection": selection, "test": test}
    with shown_progress(f"splitting {folder}"):
        parts = split_pool(folder, out=out, seed=seed, **shares)
    table = Table("part", "samples", "folder")
    for name, part in parts.items():
        table.add_row(name, str(part.n_samples), str(part.path))
    value = {
        name: {"path": str(part.path), "n_samples": part.n_samples, "sha256": part.sha256}
        for name, part in parts.items()
    }
    emit(as_json, value, table)


@click.command()
@click.argument("first", metavar="POOL", type=path_type)
@click.argument("second", metavar="POOL2", type=path_type)
@json_option
def diff(first: Path, second: Path, as_json: bool) -> None:
    """Compare two pools: shared samples, and what changed in the answers.

    Samples that are in both, and how accuracies and confidences moved.

    Example: encas pool diff parts/search parts/test
    """
    pools = Pool.load(first), Pool.load(second)
    notes = Notes()
    with shown_progress(f"comparing {first} and {second}"):
        comparison = compare_pools(*pools, on_note=notes)
    table = comparison_table(comparison, pools[0].name, pools[1].name)
    emit(as_json, comparison.to_json() | notes.to_json(), table)


@click.command()
@folder_argument
@click.argument("table", metavar="FILE.csv", type=path_type)
@out_option
@overwrite_option
@json_option
def cost(folder: Path, table: Path, out: Path, overwrite: bool, as_json: bool) -> None:
    """Add costs from a CSV file.

    Its lines are name,COST,... with one line for each model.

    Example: encas pool cost pool joules.csv --out priced
    """
    stored = Pool.load(folder)
    models = with_costs(moved_models(stored, out), read_costs(table), where=str(table))
    parts = zip(models, stored.outputs, strict=True)
    with shown_progress(f"writing {out}"):
        write_pool(out, parts, stored.about, overwrite=overwrite)
        summary = summarise(Pool.load(out))
    _emit(summary, as_json)


def _emit(summary: PoolSummary, as_json: bool, notes: Notes | None = None) -> None:
    emit(as_json, summary.to_json() | (notes or Notes()).to_json(), summary_table(summary))


def _limit(text: str) -> tuple[str, float]:
    cost_name, _, value = text.partition("=")
    try:
        return cost_name, float(value)
    except ValueError:
        raise PoolError(f"expected COST=VALUE such as macs=1e9, got {text!r}") from None
