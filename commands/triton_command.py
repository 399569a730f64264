"""`encas triton`: bundles as a model repository of NVIDIA Triton."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..serving.protocol.model_config_text import thresholds_of
from ..serving.triton.deployment import Deployment, within_pod, write_deployment
from ..serving.triton.layout_options import LayoutOptions
from ..serving.triton.repository import write_repository
from .console import emit, json_option, shown_progress
from .option_texts import option

PATH = click.Path(path_type=Path)
CORES = click.Choice(["graph", "bls", "python"])


@click.command()
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=PATH)
@option("--out", required=True, type=PATH)
@option(
    "--layout",
    type=click.Choice(["graph", "bls", "ensemble", "python"]),
    default="graph",
    show_default=True,
)
@option("--around", type=CORES, default="graph")
@option("--target", type=click.Choice(["cpu", "gpu"]), default="gpu", show_default=True)
@option("--tensorrt", is_flag=True)
@option("--backend", type=click.Choice(["onnxruntime", "python"]), default="onnxruntime")
@option("--max-batch-size", default=64, show_default=True)
@option("--max-delay-ms", default=0.0, show_default=True)
@option("--max-queue", default=1024, show_default=True)
@option("--instances", default=1, show_default=True)
@option("--threads", type=int)
@option("--thresholds")
@option("--image-input", type=click.Choice(["files", "pixels"]), default="files")
@option("--deploy", type=PATH)
@option("--image", default="encas-triton:latest")
@option("--overwrite", is_flag=True)
@json_option
def triton(
    bundles: tuple[Path, ...],
    out: Path,
    thresholds: str | None,
    deploy: Path | None,
    image: str,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write bundles as a model repository of NVIDIA Triton.

    graph: the whole cascade as one ONNX file, the fastest. bls: the members as models of their own,
    shared by all cascades in the repository, and a model that calls them and leaves early.
    python: one model that holds the executor. ensemble: images in and class names out, around one
    of these.

    --backend python runs ONNX files without Triton's ONNX Runtime backend.

    Example: encas triton bundle --out repository --layout bls --target cpu
    """
    numbers = thresholds_of(thresholds) if thresholds is not None else None
    chosen = LayoutOptions(thresholds=numbers, **options)
    deployment = Deployment(folder=deploy, image=image) if deploy else None
    if deployment is not None:
        chosen = within_pod(chosen)
    with shown_progress(f"writing {out}"):
        written = write_repository(bundles, out, chosen, overwrite=overwrite)
    files: tuple[Path, ...] = ()
    if deployment is not None:
        files = write_deployment(deployment, out, chosen, written.cascades)
    models = [config.name for config in written.models]
    value = {"path": str(out), "cascades": list(written.cascades), "models": models}
    value["files"] = [str(file) for file in files]
    text = f"{out}: {', '.join(written.cascades)} in {len(models)} models; start it with\n"
    text += f"  tritonserver --model-repository={out}"
    if deployment is not None:
        text += f"\nor with docker compose -f {deployment.folder / 'compose.yaml'} up --build"
    emit(as_json, value, text)
