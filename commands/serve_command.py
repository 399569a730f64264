"""`encas serve`: bundles behind the Open Inference Protocol."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..runtime.loading import Backend, Placement
from ..serving.server import Addresses, ServerOptions, run_server
from ..serving.service.front_model import FrontOptions
from ..serving.service.network import NetworkOptions, TlsFiles
from ..serving.service.opening import BundleSource, ModelOptions
from ..serving.service.policy import SloTarget
from ..serving.service.queueing import QueueLimits
from ..serving.service.tokens import BearerToken
from .console import emit, json_option
from .option_texts import option

PATH = click.Path(path_type=Path)
BYTES_PER_MB = 2**20


@click.command()
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True)
@option("--host", default="127.0.0.1", show_default=True)
@option("--http-port", default=8000, show_default=True)
@option("--grpc-port", default=8001, show_default=True)
@option("--no-grpc", is_flag=True)
@option("--device", default="cpu", show_default=True)
@option("--threads", "n_threads", type=int)
@option(
    "--backend",
    type=click.Choice(["staged", "graph"]),
    default="staged",
    show_default=True,
)
@option("--workers", "n_workers", default=1, show_default=True)
@option("--max-batch-size", default=64, show_default=True)
@option("--max-delay-ms", default=0.0, show_default=True)
@option("--max-queue", default=1024, show_default=True)
@option("--max-request-mb", default=64.0, show_default=True)
@option("--max-connections", default=1024, show_default=True)
@option("--drain-s", default=30.0, show_default=True)
@option("--token-file", type=PATH)
@option("--tls-cert", type=PATH)
@option("--tls-key", type=PATH)
@option("--policy", type=click.Choice(["slo"]))
@option("--p99-ms", type=float)
@option("--front-name", default="front", show_default=True)
@option("--log-requests", is_flag=True)
@json_option
def serve(bundles: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Serve bundles over HTTP and gRPC (Open Inference Protocol, v2).

    HTTP and gRPC, batching across requests, Prometheus on /metrics, OpenAPI on /openapi.json. A
    bundle is known by its own name, or by the one in NAME=BUNDLE. SIGTERM answers what was
    accepted and ends.

    With --policy slo and --p99-ms there is one model more, `front`, which takes cheaper cascades
    of the given ones when the queue grows, and goes back when it empties.

    Example: encas serve bundle --http-port 8000 --grpc-port 8001
    """
    server = ServerOptions(
        sources=tuple(BundleSource.of(text) for text in bundles),
        models=_models(options),
        network=_network(options),
        front=_front(options),
        verbose_level=int(options["log_requests"]),
    )

    def on_ready(addresses: Addresses) -> None:
        names = [source.name for source in server.sources]
        shown = f"{addresses.host}: HTTP on {addresses.http_port}"
        if addresses.grpc_port is not None:
            shown += f", gRPC on {addresses.grpc_port}"
        value = {**asdict(addresses), "models": names}
        emit(as_json, value, f"serving {', '.join(names)} on {shown}")

    run_server(server, on_ready=on_ready)


def _models(options: dict[str, Any]) -> ModelOptions:
    backend: Backend = options["backend"]
    return ModelOptions(
        limits=QueueLimits(
            max_batch_size=options["max_batch_size"],
            max_queue_rows=options["max_queue"],
            max_delay_s=options["max_delay_ms"] / 1e3,
        ),
        placement=Placement(device=options["device"], n_threads=options["n_threads"]),
        backend=backend,
        n_workers=options["n_workers"],
    )


def _network(options: dict[str, Any]) -> NetworkOptions:
    certificate, key, token = options["tls_cert"], options["tls_key"], options["token_file"]
    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    return NetworkOptions(
        host=options["host"],
        http_port=options["http_port"],
        grpc_port=None if options["no_grpc"] else options["grpc_port"],
        token=BearerToken.read(token) if token else None,
        tls=TlsFiles(certificate=certificate, key=key) if certificate else None,
        max_request_bytes=round(options["max_request_mb"] * BYTES_PER_MB),
        max_connections=options["max_connections"],
        drain_s=options["drain_s"],
    )


def _front(options: dict[str, Any]) -> FrontOptions | None:
    if (options["policy"] is None) != (options["p99_ms"] is None):
        raise click.UsageError("--policy slo and --p99-ms go together")
    if options["policy"] is None:
        return None
    return FrontOptions(target=SloTarget(p99_s=options["p99_ms"] / 1e3), name=options["front_name"])
