"""From photographs and three EfficientNets to a served cascade.

    cd examples/imagenet
    pip install 'encas[examples]'
    python run.py PHOTOGRAPHS [--out build]

PHOTOGRAPHS is a folder, or a zip of one, with a folder of images for each class, named by its
synset (n01440764, ...), as ImageNet's are. README.md says what every station does and what each
took; the time printed before a station is the processor time since the start.
"""

from __future__ import annotations

import argparse
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tritonclient import http as client

import encas
from encas.data.open_data import open_bundle_data
from encas.demo.demo_choice import choose_on_selection
from encas.fronts.scoring import front_of
from encas.jobs.measure_latency import MeasureOptions, bench_bundle
from encas.reports.comparison import best_single_model
from encas.runtime.bench import profiled_sizes
from encas.runtime.clock import StabilityProtocol
from encas.runtime.placement import Placement

VARIANTS = (0, 1, 2)
SHARES = {"search": 0.4, "selection": 0.2, "test": 0.4}
BATCH_SIZES = (1, 8, 32)
# Calls take up to a second here, so few of them make a window.
PROTOCOL = StabilityProtocol(window=3, max_windows=12)
# What exports the torch modules: quicker than the default, and every export is proven anyway.
EXPORTER = "legacy"
READY_S = 120


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build"))
    parser.add_argument("--samples", type=int, help="use a random part of the photographs")
    parser.add_argument("--batch-size", type=int, action="append", help="to measure at")
    parser.add_argument("--timed", type=int, default=64, help="so many photographs")
    parser.add_argument("--threads", type=int, default=1, help="of each network that is measured")
    options = parser.parse_args()
    run(
        str(options.photographs.resolve()),
        options.out,
        n_samples=options.samples,
        batch_sizes=options.batch_size or BATCH_SIZES,
        n_timed=options.timed,
        n_threads=options.threads,
    )


def run(
    data: str,
    out: Path,
    *,
    n_samples: int | None,
    batch_sizes: Sequence[int],
    n_timed: int,
    n_threads: int,
) -> None:
    """Goes the whole way and writes everything into the folder `out`."""
    station("what every network answers to every photograph")
    models = [f"lite{variant}=torch:lite:lite?variant={variant}" for variant in VARIANTS]
    encas.build_pool(
        models,
        data=data,
        preprocessing="preprocessing.json",
        out=out / "pool",
        n_samples=n_samples,
        seed=1,
    )
    parts = encas.split_pool(out / "pool", seed=1, out=out / "parts", **SHARES)
    print(", ".join(f"{pool.n_samples} for the {name}" for name, pool in parts.items()))

    station("the front of accuracy and multiply-adds, and the choice on the selection part")
    front = encas.find_front(parts["search"], max_members=3, seed=1)
    held_out = encas.evaluate_front(front, parts["selection"])
    tested = encas.evaluate_front(front, parts["test"])
    choice = choose_on_selection(held_out, parts["selection"])
    best = front_of([best_single_model(parts["selection"])], parts["search"])
    print(f"{front!r}\n{choice.note('macs')}\n{front[choice.index].cascade}")

    station("both as bundles, and every decision of the cascade proven against the stored outputs")
    how = {"exporter": EXPORTER}
    encas.export_bundle(
        front, parts["search"], index=choice.index, data=data, out=out / "cascade", **how
    )
    encas.export_bundle(best, parts["search"], index=0, out=out / "single", **how)
    verdict = encas.verify_bundle(out / "cascade", data=data, pool=parts["test"])
    verdict.require()
    print(f"proven on {verdict.n_samples} photographs of the test part")

    station("measured times, of the networks and of both bundles")
    profile = encas.profile_models(
        out / "pool",
        batch_sizes=sizes_of(batch_sizes),
        n_threads=n_threads,
        protocol=PROTOCOL,
        exporter=EXPORTER,
        out=out / "profile.json",
    )
    options = MeasureOptions(placement=Placement(n_threads=n_threads), protocol=PROTOCOL)
    for name in ("cascade", "single"):
        benches = bench_bundle(
            out / name, batch_sizes, options=options, data=data, limit=n_timed, profile=profile
        )
        for bench in benches:
            latency = bench.latency
            print(
                f"{name}, {latency.timing.batch_size} at once: {latency.mean_ms:.1f} ms, predicted "
                f"{latency.predicted_ms:.1f} ms ({100 * bench.prediction_error:+.1f} %)"
            )

    station("the cascade beside the best single network, on the test part")
    page = encas.report(
        front,
        tested,
        pools=[parts["selection"], parts["test"]],
        bundles=[out / "cascade"],
        single=out / "single",
        profile=profile,
        out=out / "report.html",
    )
    for title, *cells in page.table:
        print(f"{title:60s}", *(f"{cell:>30s}" for cell in cells))
    print(*page.verdicts, sep="\n")

    station("served, and asked by a client of Triton's")
    print(ask(out / "cascade", data))
    station("done")


def station(text: str) -> None:
    """Says what comes now, and the processor time so far, that of ended processes included."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = time.process_time() + children.ru_utime + children.ru_stime
    print(f"\n[{spent_s:.0f} s] {text}", flush=True)


def sizes_of(batch_sizes: Sequence[int]) -> list[int]:
    """Where networks are measured, to predict cascades at these batch sizes."""
    return sorted({size for batch_size in batch_sizes for size in profiled_sizes(batch_size)})


def ask(bundle: Path, data: str) -> str:
    """Serves a bundle and asks for the answer to the first photograph."""
    dataset = open_bundle_data(bundle, data)
    x = dataset.samples(np.array([0]))
    ports = [str(free_port()) for _ in range(2)]
    command = [sys.executable, "-m", "encas", "serve", str(bundle)]
    server = subprocess.Popen([*command, "--http-port", ports[0], "--grpc-port", ports[1]])
    try:
        triton = client.InferenceServerClient(f"127.0.0.1:{ports[0]}", network_timeout=READY_S)
        wait_until_ready(triton, server)
        tensor = client.InferInput("input", list(x.shape), "FP32")
        tensor.set_data_from_numpy(x)
        answer = triton.infer(bundle.name, [tensor])
        label, stage = (answer.as_numpy(name).item() for name in ("label", "stage"))
        triton.close()
    finally:
        server.terminate()
        server.wait()
    classes = encas.Manifest.load(bundle).classes
    return f"{dataset.sample_names[0]}: class {label} ({classes[label]}), answered at stage {stage}"


def wait_until_ready(triton: client.InferenceServerClient, server: subprocess.Popen) -> None:
    """Returns once the server is ready."""
    end = time.monotonic() + READY_S
    while server.poll() is None and time.monotonic() < end:
        try:
            if triton.is_server_ready():
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise SystemExit("the server is not ready")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


if __name__ == "__main__":
    main()
