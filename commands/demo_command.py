"""`encas demo`: the whole loop on real data."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from ..errors import MissingExtraError
from .console import emit, json_option, shown_progress
from .option_texts import option

try:
    from ..demo.demo_flow import DemoResult, run_demo
except MissingExtraError as error:
    raise MissingExtraError("the demo", extra="demo") from error


@click.command()
@option("--out", required=True, type=click.Path(path_type=Path))
@json_option
def demo(out: Path, as_json: bool) -> None:
    """Go the whole loop on scikit-learn's digits, in a few minutes.

    Everything that is made on the way lies in the folder, for the other commands to go on from.

    Example: encas demo --out build/demo
    """
    with shown_progress(f"making the demo in {out}") as show:
        result = run_demo(out, on_progress=show)
    emit(as_json, asdict(result) | {"path": str(result.path)}, _for_people(result))


def _for_people(result: DemoResult) -> Group:
    table = Table(title="best single model against chosen cascades", title_justify="left")
    header, *rows = result.table
    for column in header:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(escape, row))
    notes = [f"* {note}" for note in result.notes]
    return Group(*map(escape, notes), "", table, "", *map(escape, result.verdicts))
