"""`encas pool compress`: a pool's contenders, beside its outputs or as a pool of their own."""

from __future__ import annotations

from pathlib import Path

import click

from ..cascade import Confidence
from ..pools.pool import Pool
from .console import emit, json_option, shown_progress
from .option_texts import option


@click.command()
@click.argument("folder", metavar="POOL", type=click.Path(path_type=Path))
@option("--max-members", default=5, show_default=True)
@option(
    "--confidence",
    type=click.Choice(["max_probability", "margin", "logit_gap"]),
    default="max_probability",
    show_default=True,
)
@option("--out", type=click.Path(path_type=Path))
@option("--overwrite", is_flag=True)
@json_option
def compress(
    folder: Path,
    max_members: int,
    confidence: Confidence,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Keep the classes that can win: all that a search needs.

    They lie beside the outputs, where every search finds them; with --out they make a small pool
    that is searched and scored exactly as the whole one, on a machine that could not hold it.

    Example: encas pool compress pool --out small
    """
    from ..evaluate.pool_compression import compress_pool  # noqa: PLC0415 - needs the extra search

    with shown_progress(f"compressing {folder}"):
        made = compress_pool(
            Pool.load(folder),
            max_members=max_members,
            confidence=confidence,
            out=out,
            overwrite=overwrite,
        )
    small, whole = made.compressed_bytes / 1e6, made.dense_bytes / 1e6
    text = (
        f"{made.path}: {made.classes_per_sample:.1f} classes per sample, {small:,.1f} MB instead "
        f"of {whole:,.1f} MB, for cascades of at most {made.max_members} members"
    )
    emit(as_json, made.to_json(), text)
