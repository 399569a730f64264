"""`encas serve` and a real Triton server side by side: the same bundle, machine and clients.

Triton comes from nvidia-pytriton (`make test-triton` installs it) with the layouts bls and python;
it has no ONNX Runtime backend there, so that its members run in its Python backend. Each server is
asked alone, in turns, round after round; medians over the rounds are compared. Over gRPC there is a
fourth, "grpc.aio echo", which gives every request the same answer and runs no model: what no server
on Python's gRPC library can exceed. It is no rival, only a measure.

    python benchmarks/serving_beside_triton.py [--seconds 5] [--rounds 3] [--bundle dear]

--require fails unless ours is at least as fast everywhere; else the ratios are only printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "serving"))

import numpy as np
from front_bundles import make_bundles
from servers import ENVIRONMENT, encas_serve, grpc_echo, run_load, triton_serve, write_expected

CASES = (
    {"bundle": "balanced", "rows": 1},
    {"bundle": "dear", "rows": 8},
)
PROTOCOLS = ("http", "grpc")
CLIENTS = {"p50_ms": 1, "requests_per_s": 16}
NAMES = ("encas serve", "triton bls", "triton python")
ECHO = "grpc.aio echo"


def measure(folder: Path, case: dict, seconds: float, rounds: int) -> list[dict]:
    bundle = make_bundles(folder / "front")[case["bundle"]]
    expected = write_expected(bundle, folder / "expected.npz")
    common = {"model": case["bundle"], "expected": {"": str(expected)}, "rows": case["rows"]}
    found: dict[tuple, list[float]] = {}
    for _ in range(rounds):
        for name in (*NAMES, ECHO):
            with ExitStack() as stack:
                if name == "encas serve":
                    serving = stack.enter_context(encas_serve(bundle, "--threads", 1))
                elif name == ECHO:
                    serving = stack.enter_context(grpc_echo(case["rows"]))
                else:
                    serving = stack.enter_context(triton_serve(bundle, name.split()[1], folder))
                for protocol in PROTOCOLS if name != ECHO else ("grpc",):
                    url = getattr(serving, protocol)
                    run_load(folder, **common, url=url, seconds=1.0, concurrency=4)
                    for figure, clients in CLIENTS.items():
                        answer = run_load(
                            folder, **common, url=url, seconds=seconds, concurrency=clients
                        )
                        assert answer["lost"] == 0, (name, answer)
                        assert name == ECHO or answer["wrong"] == 0, (name, answer)
                        found.setdefault((name, protocol, figure), []).append(answer[figure])
    return [_row(case, protocol, figure, found) for protocol in PROTOCOLS for figure in CLIENTS]


def _row(case: dict, protocol: str, figure: str, found: dict[tuple, list[float]]) -> dict:
    medians = {name: float(np.median(found[name, protocol, figure])) for name in NAMES}
    ours = medians["encas serve"]
    speedups = {
        f"faster than {name}": round(
            medians[name] / ours if figure == "p50_ms" else ours / medians[name], 3
        )
        for name in NAMES[1:]
    }
    if protocol == "grpc":
        medians[ECHO] = float(np.median(found[ECHO, protocol, figure]))
    row = {**case, "protocol": protocol, "figure": figure, "clients": CLIENTS[figure]}
    return {**row, **medians, **speedups}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--bundle", choices=[case["bundle"] for case in CASES])
    parser.add_argument("--require", action="store_true")
    options = parser.parse_args()
    if not ENVIRONMENT.is_dir():
        print(json.dumps({"skipped": "no Triton here: make test-triton"}))
        sys.exit(0)
    with tempfile.TemporaryDirectory() as temporary:
        rows = [
            row
            for case in CASES
            if options.bundle in (None, case["bundle"])
            for row in measure(Path(temporary), case, options.seconds, options.rounds)
        ]
    print(json.dumps(rows, indent=2))
    slower = [row for row in rows if min(row[f"faster than {name}"] for name in NAMES[1:]) < 1]
    sys.exit(int(options.require and bool(slower)))
