"""Writes what a comparison has found: JSON, PNG and one HTML page."""

from __future__ import annotations

from pathlib import Path

from ..files import json_text, write_atomically
from ..fronts.contest import Contest
from .contest_page import compare_page
from .contest_plots import plots_of


def write_contest(contest: Contest, folder: Path) -> None:
    """Writes comparison.json, comparison.html and the pictures into `folder`."""
    plots = plots_of(contest)
    for name, png in plots.items():
        write_atomically(folder / name, png)
    write_atomically(folder / "comparison.html", compare_page(contest, plots))
    write_atomically(folder / "comparison.json", json_text(contest.to_json()))
