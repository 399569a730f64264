"""`encas client`: ask a server about data, and say how well and how fast it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..data.dataset import Dataset
from ..data.open_data import open_bundle_data, open_data
from ..data.preprocessing import Preprocessing
from ..data.splits import limited_rows
from ..intervals import wilson_interval
from ..serving.load_client import ClientOptions, ClientReport, ask_server
from ..serving.model_classes import served_classes
from ..serving.model_waiting import WAIT_S
from ..serving.server_url import ServerUrl
from .console import Notes, emit, json_option, shown_progress
from .measuring_options import limit_options
from .option_texts import option

PATH = click.Path(path_type=Path)
PERCENTILES = (50, 90, 99)


@click.command()
@click.argument("url", metavar="URL")
@option("--data", metavar="DATA", required=True)
@option("--model")
@option("--bundle", type=PATH)
@option("--preprocessing", type=PATH)
@option("--batch-size", default=1, show_default=True)
@option("--concurrency", default=1, show_default=True)
@limit_options
@option("--wait-s", type=float, default=WAIT_S, show_default=True)
@option("--token-file", type=PATH)
@option("--tls-ca", "authorities", type=PATH)
@json_option
def ask(
    url: str,
    data: str,
    bundle: Path | None,
    preprocessing: Path | None,
    token_file: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Send data to a server and print accuracy, exits and latencies.

    URL is http://HOST:PORT or grpc://HOST:PORT (https, grpcs), of `encas serve` or of Triton. The
    data's classes are matched by name with those that the server names.

    Example: encas client grpc://127.0.0.1:8001 --data digits:test --concurrency 4
    """
    notes = Notes()
    with shown_progress(f"reading {data}"):
        if bundle is not None:
            dataset = open_bundle_data(bundle, data, on_note=notes)
        else:
            how = Preprocessing.load(preprocessing) if preprocessing else None
            dataset = open_data(data, preprocessing=how)
    n_available = dataset.n_samples
    rows = limited_rows(dataset.label, options.pop("limit"), seed=options.pop("seed"))
    dataset = dataset.take(rows)
    token = token_file.read_text("ascii").strip() if token_file else None
    server, asked = ServerUrl.parse(url), ClientOptions(token=token, **options)
    with shown_progress() as show:
        report = ask_server(server, dataset, asked, on_progress=show)
    known = served_classes(server, asked, model=report.model, dataset=dataset)
    if known is not None:
        dataset = dataset.in_classes_of(known, on_note=notes)
    value = _json(report, dataset, n_available=n_available)
    emit(as_json, value | notes.to_json(), _text(value))


def _json(report: ClientReport, dataset: Dataset, *, n_available: int) -> dict[str, Any]:
    answered = report.label >= 0
    n_answered = int(answered.sum())
    n_right = int((report.label[answered] == dataset.label[answered]).sum())
    low, high = wilson_interval(n_right, n_answered) if n_answered else (None, None)
    return {
        "model": report.model,
        "data": dataset.name,
        "n_samples": dataset.n_samples,
        "n_available": n_available,
        "n_answered": n_answered,
        "accuracy": n_right / n_answered if n_answered else None,
        "interval": [low, high],
        "exits": {str(stage): count for stage, count in report.exits.items()},
        "cascades": dict(report.cascades),
        "refusals": dict(report.refusals),
        "latency_ms": {f"p{p}": report.latency_ms(p) if n_answered else None for p in PERCENTILES},
        "samples_per_s": n_answered / report.wall_s,
    }


def _text(value: dict[str, Any]) -> str:
    lines = [f"{value['model']}: {value['n_answered']} of {value['n_samples']} samples answered"]
    if value["n_samples"] < value["n_available"]:
        lines[0] += f", a random part of {value['n_available']}"
    if value["n_answered"]:
        low, high = value["interval"]
        n = value["n_answered"]
        lines.append(f"accuracy {value['accuracy']:.4f} ({low:.4f} .. {high:.4f}, n = {n})")
        times = ", ".join(f"{key} {ms:.2f} ms" for key, ms in value["latency_ms"].items())
        lines.append(f"{times} per request; {value['samples_per_s']:.0f} samples/s")
    n_exits = sum(value["exits"].values())
    for stage, count in value["exits"].items():
        lines.append(f"stage {stage}: {count} samples left ({count / n_exits:.1%})")
    for cascade, count in value["cascades"].items():
        lines.append(f"{cascade}: answered {count} requests")
    for reason, count in value["refusals"].items():
        lines.append(f"{count} requests refused: {reason}")
    return "\n".join(lines)
