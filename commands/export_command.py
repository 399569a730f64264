"""`encas export` and `encas verify`: from a front to a proven bundle, and proving it again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from rich.table import Table

from ..entries import MemberProof, Proof
from ..export.verify import Verdict
from ..fronts.front import Front
from ..intervals import wilson_interval
from ..jobs.export_front import export_bundle
from ..jobs.verify_bundle import verify_bundle
from ..manifest import Manifest
from .console import (
    Notes,
    emit,
    json_option,
    note,
    selection_options,
    shown_progress,
    taken_limits,
)
from .measuring_options import limit_options
from .option_texts import option

if TYPE_CHECKING:
    from ..export.onnx_export import Exporter


@click.command()
@click.argument("front", metavar="FRONT.json", type=click.Path(path_type=Path))
@click.argument("folder", metavar="POOL", type=click.Path(path_type=Path))
@option("--out", required=True, type=click.Path(path_type=Path))
@option("--index", type=int)
@selection_options
@option("--data", metavar="DATA")
@option(
    "--exporter",
    type=click.Choice(["dynamo", "legacy"]),
    default="dynamo",
    show_default=True,
)
@option(
    "--graph",
    type=click.Choice(["branches", "top", "none"]),
    default="branches",
    show_default=True,
)
@limit_options
@option("--device", default="cpu", show_default=True)
@option("--overwrite", is_flag=True)
@json_option
def export(  # noqa: PLR0913 - one argument for each option
    front: Path,
    folder: Path,
    *,
    out: Path,
    index: int | None,
    data: str | None,
    exporter: Exporter,
    graph: Literal["branches", "top", "none"],
    limit: int | None,
    seed: int,
    device: str,
    overwrite: bool,
    as_json: bool,
    **limits: Any,
) -> None:
    """Export one cascade of a front as a bundle, and prove it.

    The models come from the SPECs in the pool. Each exported member is held against its model;
    with --data, every decision of the bundle is held against the pool's stored outputs: DATA is
    what the pool, or the pool that it is a part of, was built on. If a proof fails, there is no
    bundle.

    Example: encas export front.json pool --out bundle --min-accuracy 0.9 --data digits:search
    """
    loaded = Front.load(front)
    if index is None:
        limits = taken_limits(limits, loaded, other=", or --index")
    notes = Notes()
    with shown_progress(f"exporting {out}") as show:
        manifest = export_bundle(
            loaded,
            folder,
            out=out,
            index=index,
            data=data,
            exporter=exporter,
            graph=None if graph == "none" else graph,
            limit=limit,
            seed=seed,
            device=device,
            overwrite=overwrite,
            on_note=notes,
            on_progress=show,
            **limits,
        )
    emit(as_json, manifest.to_json() | notes.to_json(), _bundle_table(out, manifest))
    if data is None:
        note("Decisions were not proven against the pool: give --data DATA, what it was built on.")


@click.command()
@click.argument("bundle", metavar="BUNDLE", type=click.Path(path_type=Path))
@option("--data", metavar="DATA", required=True)
@option(
    "--pool",
    "folder",
    metavar="POOL",
    type=click.Path(path_type=Path),
)
@limit_options
@option("--device", default="cpu", show_default=True)
@json_option
def verify(bundle: Path, *, folder: Path | None, as_json: bool, **options: Any) -> None:
    """Verify a bundle: hashes, numbers, and every decision on data.

    Samples that the bundle was proven on must get the same label and leave at the same stage as
    then; on others the executor and the graph must decide as the members run one by one do. With
    --pool, the pool's stored outputs are what decisions are held against, on the samples that are
    in DATA, too.

    Example: encas verify bundle --data digits:test
    """
    notes = Notes()
    with shown_progress(f"verifying {bundle}") as show:
        verdict = verify_bundle(bundle, pool=folder, on_note=notes, on_progress=show, **options)
    emit(as_json, _verdict_json(verdict) | notes.to_json(), _verdict_table(bundle, verdict))
    verdict.require()


def _bundle_table(out: Path, manifest: Manifest) -> Table:
    table = Table(title=f"{out}", title_justify="left")
    for column in ("stage", "member", "threshold", "exporter", "largest difference"):
        table.add_column(column, justify="left" if column == "member" else "right")
    thresholds = [*map(str, manifest.cascade.thresholds), ""]
    rows = zip(manifest.members, thresholds, manifest.numerics, strict=True)
    for stage, (member, threshold, proof) in enumerate(rows, start=1):
        difference = f"{proof.max_difference:.2g}"
        table.add_row(str(stage), member.name, threshold, member.exporter, difference)
    table.caption = "\n".join(f"{one.subject}: {_proof_text(one)}" for one in manifest.proof)
    table.caption_justify = "left"
    return table


def _verdict_table(bundle: Path, verdict: Verdict) -> Table:
    low, high = wilson_interval(verdict.n_correct, verdict.n_samples)
    table = Table(title=f"{bundle}: all hashes agree", title_justify="left", show_header=False)
    samples = f"{verdict.n_samples}, of them {verdict.n_known} known to the bundle"
    if verdict.n_samples < verdict.n_available:
        samples = f"{samples}; a random part of {verdict.n_available}"
    n = verdict.n_samples
    table.add_row("samples", samples)
    table.add_row("device", verdict.device)
    table.add_row("accuracy", f"{verdict.accuracy:.4f} ({low:.4f} .. {high:.4f}, n = {n})")
    table.add_row("reach", ", ".join(f"{share:.3f}" for share in verdict.reach))
    for member in verdict.numerics:
        table.add_row(member.name, _numerics_text(member))
    for proof in verdict.proofs:
        table.add_row(proof.subject, _proof_text(proof))
    return table


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    content = asdict(verdict)
    proofs = [
        item | {"n_label_flips": proof.n_label_flips, "n_stage_flips": proof.n_stage_flips}
        for item, proof in zip(content["proofs"], verdict.proofs, strict=True)
    ]
    interval = wilson_interval(verdict.n_correct, verdict.n_samples)
    accuracy = {"accuracy": verdict.accuracy, "interval": list(interval)}
    return content | accuracy | {"proofs": proofs}


def _numerics_text(proof: MemberProof) -> str:
    sizes = ", ".join(map(str, proof.batch_sizes))
    return f"differs by {proof.max_difference:.2g} at batch {sizes} ({proof.n_samples} samples)"


def _proof_text(proof: Proof) -> str:
    n_explained = len(proof.flips) - len(proof.unexplained)
    return (
        f"{proof.n_samples} samples against {proof.against}: "
        f"{proof.n_label_flips} other labels, {proof.n_stage_flips} other stages, "
        f"{n_explained} explained by rounding (within {proof.margin:.2g} of the threshold)"
    )
