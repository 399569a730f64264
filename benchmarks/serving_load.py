"""Under load no answer is wrong, no request is lost, and memory stays bounded.

A server of the dearest cascade is asked from a second process: first a closed loop to find its
capacity, then open loops at 0.5, 1 and 2 times of it, over HTTP and gRPC.

    python benchmarks/serving_load.py [--seconds 5] [--protocol http|grpc]

--seconds is the length of each of the four phases of a protocol.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "serving"))

from front_bundles import make_bundles
from servers import Serving, encas_serve, run_load, write_expected

PROTOCOLS = ("http", "grpc")
SHARES = (0.5, 1.0, 2.0)
ROWS = 8
REFUSALS = {"429", "503", "RESOURCE_EXHAUSTED", "UNAVAILABLE"}
MEMORY_MARGIN_MB = 150


def watch(serving: Serving, peaks: list[float], done: threading.Event) -> None:
    while not done.is_set():
        peaks.append(serving.resident_mb)
        time.sleep(0.1)


def main(seconds: float, protocols: tuple[str, ...], folder: Path) -> dict:
    bundle = make_bundles(folder / "front")["dear"]
    expected = write_expected(bundle, folder / "expected.npz")
    common = {"model": "dear", "expected": {"": str(expected)}, "rows": ROWS, "seconds": seconds}
    phases, memory = [], []
    with encas_serve(bundle, "--threads", 1) as serving:
        for protocol in protocols:
            url = getattr(serving, protocol)
            run_load(folder, **common | {"seconds": 2.0, "url": url, "concurrency": 8})
        start_mb, done = serving.resident_mb, threading.Event()
        watcher = threading.Thread(target=watch, args=(serving, memory, done))
        watcher.start()
        for protocol in protocols:
            url = getattr(serving, protocol)
            found = run_load(folder, **common, url=url, concurrency=32)
            capacity = found["requests_per_s"]
            phases.append({"protocol": protocol, "loop": "closed, 32 clients", **found})
            for share in SHARES:
                found = run_load(folder, **common, url=url, rate=share * capacity)
                phases.append(
                    {"protocol": protocol, "loop": f"open, {share:g} x capacity", **found}
                )
        done.set()
        watcher.join()
        end_mb = serving.resident_mb
    return {
        "rows_per_request": ROWS,
        "resident_mb": {"start": start_mb, "peak": max(memory), "end": end_mb},
        "phases": phases,
    }


def check(result: dict) -> None:
    for phase in result["phases"]:
        assert phase["wrong"] == 0, phase
        assert phase["lost"] == 0, phase
        assert set(phase["statuses"]) <= {"200", *REFUSALS}, phase
    memory = result["resident_mb"]
    assert memory["peak"] < memory["start"] + MEMORY_MARGIN_MB, memory


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--protocol", choices=PROTOCOLS, action="append")
    options = parser.parse_args()
    asked = tuple(options.protocol or PROTOCOLS)
    with tempfile.TemporaryDirectory() as temporary:
        report = main(options.seconds, asked, Path(temporary))
    print(json.dumps(report, indent=2))
    check(report)
