"""`encas nat joint` and `encas nat front`: cascades over supernetworks adapted together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ..nat.designs import NAMES
from ..nat.joint_runs import JointRun, front_of
from ..nat.joint_session import joint_transfer
from ..nat.nat_session import Launch, Origin
from ..pools.pool import Pool
from .console import Notes, emit, json_option, note, shown_progress
from .nat_options import path_type, plan_of, settings_of, shared_options
from .option_texts import option


@click.command()
@option("--supernet", "supernets", required=True, multiple=True, type=click.Choice(NAMES))
@option(
    "--checkpoint",
    "checkpoints",
    metavar="NAME=FILE",
    multiple=True,
)
@shared_options
def joint(supernets: tuple[str, ...], checkpoints: tuple[str, ...], **given: Any) -> None:
    """Adapt several supernetworks together, to the best cascades over them.

    This is ENCAS-joint. The run leaves the front of cascades, and a run of each supernetwork;
    `encas nat pool` makes a pool of it. That pool searched anew is ENCAS-joint+. After Ctrl-C,
    which lets the step under way end, or a crash, --resume goes on where it was; a second Ctrl-C
    breaks the step off.

    Example: encas nat joint --supernet small-mobile --supernet small-fused --data digits:train
    --search-data digits:search --out run
    """
    origins = origins_of(supernets, checkpoints)
    notes = Notes()
    with shown_progress("preparing the supernetworks") as show:
        run = joint_transfer(
            origins,
            plan_of(given),
            settings_of(origins, given),
            given["out"],
            launch=Launch(**{key: given[key] for key in ("seed", "device", "resume")}),
            on_note=notes,
            on_progress=show,
        )
    emit(given["as_json"], joint_json(run) | notes.to_json(), joint_table(run))
    note(f"{run.folder}: `encas nat pool {run.folder} --out POOL` makes a pool of it")


@click.command()
@click.argument("folder", metavar="RUN", type=path_type)
@click.argument("pool", metavar="POOL", type=path_type)
@option("--out", required=True, type=path_type)
@json_option
def front(folder: Path, pool: Path, out: Path, as_json: bool) -> None:
    """Write the cascades of a joint run as the front of a pool made of it.

    They are scored on the pool anew; `encas-export` and `encas front` take the file.

    Example: encas nat front run pool --out front.json
    """
    with shown_progress(f"scoring the cascades of {folder} on {pool}"):
        made = front_of(JointRun.load(folder), Pool.load(pool))
    made.save(out)
    text = f"{out}: {len(made.cascades)} cascades"
    emit(as_json, {"path": str(out), "n_cascades": len(made.cascades)}, text)


def origins_of(supernets: tuple[str, ...], checkpoints: tuple[str, ...]) -> list[Origin]:
    """Each supernetwork with its weights.

    Raises:
        click.UsageError: weights are given for none of them, or twice.
    """
    files = dict[str, Path]()
    for text in checkpoints:
        name, _, file = text.partition("=")
        if name not in supernets or not file or name in files:
            fault = f"--checkpoint must be NAME=FILE for one of {', '.join(supernets)}, each once"
            raise click.UsageError(f"{fault}; got {text!r}")
        files[name] = Path(file)
    return [Origin(supernet=name, checkpoint=files.get(name)) for name in supernets]


def joint_json(run: JointRun) -> dict[str, Any]:
    """A run's result for machines."""
    return {
        "folder": str(run.folder),
        "members": [member.supernet for member in run.members],
        "n_search": run.members[0].data.n_search,
        "hypervolume": run.history[-1].hypervolume,
        "front": [
            {
                "members": list(scored.cascade.members),
                "thresholds": list(scored.cascade.thresholds),
                "error": scored.error,
                "macs": scored.cost,
            }
            for scored in run.front
        ],
    }


def joint_table(run: JointRun) -> Table:
    """A run's front for people."""
    table = Table("error", "MACs", "cascade", title=f"front of {run.folder}")
    for scored in run.front:
        table.add_row(f"{scored.error:.4f}", f"{scored.cost:,.0f}", str(scored.cascade))
    return table
