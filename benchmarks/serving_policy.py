"""At a load that the dearest cascade cannot bear, the policy keeps the 99th percentile.

Three cascades of one front. An open loop sends more rows than the dearest one manages, first to it
alone and then to the model that adapts; both in the same server, one after the other. The policy
must answer 99 of 100 requests within the target, refused ones counted as missed, where the dearest
cascade does not. When the load is small again, it goes back to the dearest cascade.

    python benchmarks/serving_policy.py [--seconds 10] [--p99-ms 100] [--overload 1.6]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "serving"))

from front_bundles import BUNDLES, make_bundles
from servers import encas_serve, run_load, write_expected

from encas.data.digits import digits
from encas.intervals import wilson_interval

ROWS = 16
DEAREST = "dear"
IN_TIME = 0.99


def main(seconds: float, p99_ms: float, overload: float, folder: Path) -> dict:
    bundles = make_bundles(folder / "front")
    expected = {
        name: str(write_expected(path, folder / f"{name}.npz")) for name, path in bundles.items()
    }
    arguments = (*bundles.values(), "--threads", 1, "--policy", "slo", "--p99-ms", p99_ms)
    phases = {}
    with encas_serve(*arguments) as serving:
        common = {"url": serving.http, "rows": ROWS, "expected": expected, "target_ms": p99_ms}
        run_load(folder, **common, model=DEAREST, seconds=2.0, concurrency=8)
        closed = run_load(folder, **common, model=DEAREST, seconds=seconds, concurrency=16)
        capacity = closed["requests_per_s"]
        for name in (DEAREST, "front"):
            phases[f"{name} at {overload:g} x capacity"] = run_load(
                folder, **common, model=name, seconds=seconds, rate=overload * capacity
            )
        phases["front at 0.3 x capacity, afterwards"] = run_load(
            folder, **common, model="front", seconds=seconds, rate=0.3 * capacity
        )
        for name in BUNDLES:
            phases[f"{name} alone, for its accuracy"] = run_load(
                folder, **common, model=name, seconds=1.0, concurrency=2
            )
    n_images = len(digits("test")[0])
    for phase in phases.values():
        right = round(phase["accuracy"] * n_images)
        phase["accuracy_interval"] = wilson_interval(right, n_images)
        phase["share_in_time"] = phase["in_time"] / phase["sent"]
    return {
        "p99_target_ms": p99_ms,
        "images": n_images,
        "rows_per_request": ROWS,
        "capacity_of_the_dearest": capacity,
        "phases": phases,
    }


def check(report: dict, overload: float) -> None:
    phases, target = report["phases"], report["p99_target_ms"]
    alone, front = (phases[f"{n} at {overload:g} x capacity"] for n in (DEAREST, "front"))
    for name, phase in phases.items():
        assert phase["wrong"] == phase["lost"] == 0, (name, phase)
    assert alone["share_in_time"] < IN_TIME, alone
    assert front["share_in_time"] >= IN_TIME, front
    assert front["p99_ms"] <= target, front
    calm = phases["front at 0.3 x capacity, afterwards"]["cascades"]
    assert max(calm, key=calm.get) == DEAREST, calm


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--p99-ms", type=float, default=100.0)
    parser.add_argument("--overload", type=float, default=1.6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = main(options.seconds, options.p99_ms, options.overload, Path(temporary))
    print(json.dumps(result, indent=2))
    check(result, options.overload)
