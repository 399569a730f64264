"""`encas doctor`: what works on this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from ..runtime.doctor import Diagnosis, examine
from .console import emit, json_option, shown_progress


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Say what works on this machine, what does not, and the remedy.

    A device works when a model really loads on it.

    Example: encas doctor
    """
    with shown_progress("loading a model on each device"):
        diagnosis = examine()
    emit(as_json, _doctor_json(diagnosis), _doctor_table(diagnosis))


def _doctor_json(diagnosis: Diagnosis) -> dict[str, Any]:
    extras = [asdict(extra) | {"remedy": extra.remedy} for extra in diagnosis.extras]
    return asdict(diagnosis) | {"extras": extras}


def _doctor_table(diagnosis: Diagnosis) -> Table:
    table = Table(show_header=False)
    for name, version in diagnosis.versions.items():
        table.add_row(name, version)
    for device in diagnosis.devices:
        found = "works" if device.works else f"does not work: {device.reason}"
        table.add_row(device.device, escape(found))
    table.add_row("GPUs", ", ".join(diagnosis.gpus) or "none that nvidia-smi shows")
    for extra in diagnosis.extras:
        there = ", ".join(f"{name} {version}" for name, version in extra.installed.items())
        lacking = f"lacks {', '.join(extra.missing)}: {extra.remedy}" if extra.missing else ""
        text = "; ".join(part for part in (there, lacking) if part)
        table.add_row(escape(f"encas[{extra.extra}]"), escape(text))
    return table
