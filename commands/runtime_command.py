"""`encas run`, `profile`, `bench`: running bundles, and measuring them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ..data.dataset import Dataset
from ..data.open_data import open_bundle_data
from ..data.splits import limited_rows
from ..intervals import wilson_interval
from ..latency import LatencyProfile, Timing
from ..runtime.bench import Bench
from ..runtime.executor import Prediction
from ..runtime.loading import Backend, load
from ..runtime.predicting import predict, save_predictions
from .console import Notes, emit, json_option, note, shown_progress
from .measuring_options import (
    batch_sizes_option,
    exporter_option,
    limit_options,
    placement_options,
    protocol_options,
    taken_placement,
    taken_protocol,
)
from .option_texts import option

backend_option = option(
    "--backend",
    type=click.Choice(["staged", "graph"]),
    default="staged",
    show_default=True,
)


@click.command()
@click.argument("bundle", metavar="BUNDLE", type=click.Path(path_type=Path))
@option("--data", metavar="DATA", required=True)
@option("--out", required=True, type=click.Path(path_type=Path))
@backend_option
@limit_options
@placement_options
@json_option
def run(
    bundle: Path,
    *,
    data: str,
    out: Path,
    backend: Backend,
    limit: int | None,
    seed: int,
    as_json: bool,
    **where: Any,
) -> None:
    """Predict data with a bundle.

    label [N], stage [N] and probabilities [N, C] go to an .npz file, with --limit row [N], too,
    the samples' places in the data.

    Images are preprocessed as the bundle's manifest says; the data's classes are matched with the
    bundle's by name, and labels are the bundle's.

    Example: encas run bundle --data digits:test --out predictions.npz
    """
    notes = Notes()
    whole = open_bundle_data(bundle, data, on_note=notes)
    rows = limited_rows(whole.label, limit, seed=seed)
    dataset = whole.take(rows)
    placement = taken_placement(where)
    with shown_progress(f"loading {bundle}") as show:
        runner = load(
            bundle,
            device=placement.device,
            n_threads=placement.n_threads,
            backend=backend,
            gpu_memory_bytes=placement.gpu_memory_bytes,
            cuda_graphs=placement.cuda_graphs,
        )
        prediction = predict(runner, dataset, on_progress=show)
    save_predictions(prediction, out, rows=None if limit is None else rows)
    summary = _run_summary(prediction, dataset)
    table = Table(title=str(out), title_justify="left", show_header=False)
    for key, value in _run_text(summary, whole).items():
        table.add_row(key, value)
    value = summary | {"n_available": whole.n_samples, "out": str(out)}
    emit(as_json, value | notes.to_json(), table)


@click.command()
@click.argument("path", metavar="POOL|BUNDLE", type=click.Path(path_type=Path))
@option("--out", required=True, type=click.Path(path_type=Path))
@option("--model", "models", multiple=True)
@option("--data", metavar="DATA")
@exporter_option
@batch_sizes_option
@protocol_options
@placement_options
@json_option
def profile(
    path: Path, *, out: Path, batch_sizes: tuple[int, ...], as_json: bool, **what: Any
) -> None:
    """Measure the models of a pool, or a bundle's members, at batch sizes.

    What PROFILE.json knows already is not measured again; times of another device, provider or
    version are not mixed with it.

    Example: encas profile pool --device cpu --batch-size 1 --batch-size 8 --out profile.json
    """
    from ..jobs.measure_latency import profile_models  # noqa: PLC0415 - needs onnxruntime

    placement = taken_placement(what)
    protocol = taken_protocol(what)
    with shown_progress(f"opening {path}") as show:
        measured = profile_models(
            path,
            batch_sizes=batch_sizes,
            out=out,
            device=placement.device,
            n_threads=placement.n_threads,
            gpu_memory_bytes=placement.gpu_memory_bytes,
            cuda_graphs=placement.cuda_graphs,
            protocol=protocol,
            on_progress=show,
            **what,
        )
    emit(as_json, _without_samples(measured.to_json()), _profile_table(measured))


@click.command()
@click.argument("bundle", metavar="BUNDLE", type=click.Path(path_type=Path))
@option("--data", metavar="DATA")
@limit_options
@option(
    "--profile",
    "profile_file",
    type=click.Path(path_type=Path),
)
@backend_option
@batch_sizes_option
@protocol_options
@placement_options
@json_option
def bench(  # noqa: PLR0913 - one argument for each option
    bundle: Path,
    *,
    data: str | None,
    limit: int | None,
    seed: int,
    profile_file: Path | None,
    backend: Backend,
    batch_sizes: tuple[int, ...],
    as_json: bool,
    **how: Any,
) -> None:
    """Measure the composed cascade, beside the prediction and its members.

    The times go into the bundle's manifest. Without --data the input is random, and random input
    leaves at other stages than data does.

    Example: encas bench bundle --data digits:test --batch-size 1 --batch-size 32
    """
    from ..jobs.measure_latency import MeasureOptions, bench_bundle  # noqa: PLC0415 - needs onnxruntime

    if data is None:
        note("Random input: the exit shares are not those of data; give --data DATA.")
    options = MeasureOptions(
        placement=taken_placement(how),
        protocol=taken_protocol(how),
        backend=backend,
    )
    known = LatencyProfile.load(profile_file) if profile_file else None
    with shown_progress(f"loading {bundle}") as show:
        results = bench_bundle(
            bundle,
            batch_sizes,
            options=options,
            data=data,
            limit=limit,
            seed=seed,
            profile=known,
            on_progress=show,
        )
    emit(as_json, {"bench": [_bench_json(one) for one in results]}, _bench_table(results))


def _run_summary(prediction: Prediction, dataset: Dataset) -> dict[str, Any]:
    left = [int((prediction.stage == s).sum()) for s in range(1, int(prediction.stage.max()) + 1)]
    n, n_right = dataset.n_samples, int((prediction.label == dataset.label).sum())
    return {
        "n_samples": n,
        "accuracy": n_right / n,
        "interval": list(wilson_interval(n_right, n)),
        "left_at_stage": left,
        "padding_waste": prediction.padding_waste,
    }


def _run_text(summary: dict[str, Any], whole: Dataset) -> dict[str, str]:
    n, (low, high) = summary["n_samples"], summary["interval"]
    part = f", a random part of {whole.n_samples}" if n < whole.n_samples else ""
    return {
        "samples": f"{n}{part}",
        "accuracy": f"{summary['accuracy']:.4f} ({low:.4f} .. {high:.4f}, n = {n})",
        "left at stage": str(summary["left_at_stage"]),
        "padding waste": str(summary["padding_waste"]),
    }


def _profile_table(measured: LatencyProfile) -> Table:
    setting = measured.setting
    title = f"{setting.device_name} ({setting.provider}, {setting.n_threads} threads)"
    table = Table(title=title, title_justify="left")
    for column in ("model", "batch size", "p50 ms", "p90 ms", "p99 ms"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for timing in measured.timings:
        times = (timing.p50_ms, timing.p90_ms, timing.p99_ms)
        p50, *others = (f"{ms:.4g}" for ms in times)
        mark = "*" if timing.is_disturbed else ""
        table.add_row(timing.name, str(timing.batch_size), f"{p50}{mark}", *others)
    gpu = [t for t in measured.timings if t.transfer_ms or t.sm_clock_mhz or t.energy_mj]
    table.caption = "\n".join(
        [
            f"executor: {measured.call_ms:.4g} ms per batch, and {measured.gate_ms:.4g} ms for "
            "each exit decision",
            *([measured.note] if measured.note else []),
            *map(_gpu_text, gpu),
        ]
    )
    return table


def _gpu_text(timing: Timing) -> str:
    energy = "not told" if timing.energy_mj is None else f"{timing.energy_mj:.3g} mJ per sample"
    clock = "not told" if timing.sm_clock_mhz is None else f"{timing.sm_clock_mhz:.0f} MHz"
    return (
        f"{timing.name} at {timing.batch_size}: moving {timing.transfer_ms:.4g} ms, "
        f"clock {clock}, energy {energy}"
    )


def _bench_table(results: list[Bench]) -> Table:
    table = Table(title=f"data: {results[0].latency.data}", title_justify="left")
    columns = ("batch size", "cascade ms", "p50", "p90", "p99", "predicted ms", "off by", "padding")
    for column in columns:
        table.add_column(column, justify="right")
    table.add_column("each member as a cascade of one, ms", overflow="fold")
    for one in results:
        latency, timing = one.latency, one.latency.timing
        predicted = latency.predicted_ms or 0.0
        figures = (latency.mean_ms, timing.p50_ms, timing.p90_ms, timing.p99_ms, predicted)
        members = ", ".join(f"{member.name} {member.composed_ms:.4g}" for member in one.members)
        shown = [f"{ms:.4g}" for ms in figures]
        if timing.is_disturbed:
            shown[0] += "*"
            table.caption = (
                "* the machine was busy: made of processor time, what runs took "
                f"{timing.stretch:.1f} times as long"
            )
        shown += [f"{one.prediction_error:+.1%}", f"{one.padding_waste:.1%}"]
        table.add_row(str(timing.batch_size), *shown, members)
    return table


def _bench_json(one: Bench) -> dict[str, Any]:
    content: dict[str, Any] = asdict(one)
    del content["latency"]["timing"]["samples_ms"]
    return content | {"prediction_error": one.prediction_error}


def _without_samples(content: dict[str, Any]) -> dict[str, Any]:
    timings = [
        {key: value for key, value in timing.items() if key != "samples_ms"}
        for timing in content["timings"]
    ]
    return content | {"timings": timings}
