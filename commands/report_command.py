"""`encas report`: fronts as a page that opens offline."""

from __future__ import annotations

from pathlib import Path

import click

from ..reports.report_writing import report as write_report
from .console import Notes, emit, json_option, shown_progress
from .option_texts import option

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("fronts", metavar="FRONT.json...", nargs=-1, required=True, type=PATH)
@option("--out", required=True, type=PATH)
@option(
    "--pool",
    "pools",
    multiple=True,
    type=PATH,
)
@option("--bundle", "bundles", multiple=True, type=PATH)
@option("--profile", type=PATH)
@json_option
def report(
    fronts: tuple[Path, ...],
    out: Path,
    pools: tuple[Path, ...],
    bundles: tuple[Path, ...],
    profile: Path | None,
    as_json: bool,
) -> None:
    """Write fronts as one page: charts, tables, stages, latencies.

    Example: encas report front.json front_test.json --pool pool/test --out report.html
    """
    notes = Notes()
    with shown_progress(f"writing {out}"):
        write_report(*fronts, out=out, pools=pools, bundles=bundles, profile=profile, on_note=notes)
    emit(as_json, {"path": str(out)} | notes.to_json(), f"{out}: a report of {len(fronts)} fronts")
