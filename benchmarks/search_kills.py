"""A search that is killed (SIGKILL) at twenty random moments ends as one that nobody disturbed.

Claim: for mo-gomea and for the sweep, on 16 real CIFAR-10 networks, the cascades of the resumed
search, their scores and the hypervolume history equal those of the uninterrupted one; of the front
file only the seconds differ.

    python benchmarks/search_kills.py --data ../shared/data --kills 20
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from cifar10 import arguments, load, machine

EVALUATIONS = {"mo-gomea": 1_000_000, "sweep": 60_000}
# A checkpoint is written every 5 seconds: some kills come before the first one, some after.
EARLIEST_S, LATEST_S = 4.0, 9.0


def command(pool: Path, out: Path, algorithm: str, *more: str) -> list[str]:
    search = [sys.executable, "-m", "encas", "search", str(pool), "--out", str(out)]
    budget = ["--evaluations", str(EVALUATIONS[algorithm]), "--seed", "1"]
    return [*search, "--algorithm", algorithm, *budget, *more]


def killed(pool: Path, out: Path, algorithm: str, kills: int) -> dict[str, Any]:
    """Kills the search at random moments, and then lets it end."""
    rng = np.random.default_rng(1)
    n_killed = n_resumed = 0
    checkpoint = out.with_name(f"{out.name}.checkpoint.npz")
    for _ in range(kills):
        more = ["--resume"] if checkpoint.is_file() else []
        n_resumed += bool(more)
        process = subprocess.Popen(command(pool, out, algorithm, *more), stderr=subprocess.DEVNULL)
        time.sleep(float(rng.uniform(EARLIEST_S, LATEST_S)))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            n_killed += 1
        process.wait()
        if out.is_file():
            break
    if not out.is_file():
        more = ["--resume"] if checkpoint.is_file() else []
        subprocess.run(command(pool, out, algorithm, *more), check=True, capture_output=True)
    return {
        "kills": n_killed,
        "resumed": n_resumed,
        "left": sorted(p.name for p in out.parent.iterdir()),
    }


def essence(front: Path) -> Any:
    """A front file without its seconds."""
    content = json.loads(front.read_text())
    history = content["search"]["hypervolume"]["history"]
    content["search"]["hypervolume"]["history"] = [[row[0], row[2]] for row in history]
    content["search"].pop("wall_s")
    return content


def main() -> None:
    given = arguments(__doc__, kills=20)
    result: dict[str, Any] = {"machine": machine()}
    for algorithm in EVALUATIONS:
        with tempfile.TemporaryDirectory() as folder:
            pool, whole, out = (
                Path(folder) / name for name in ("pool", "whole.json", "k/out.json")
            )
            out.parent.mkdir()
            load(given.data, "val").save(pool)
            start = time.perf_counter()
            subprocess.run(command(pool, whole, algorithm), check=True, capture_output=True)
            seconds = time.perf_counter() - start
            found = killed(pool, out, algorithm, given.kills)
            is_equal = essence(whole) == essence(out)
        result[algorithm] = {**found, "uninterrupted_seconds": seconds, "equal": is_equal}
    print(json.dumps(result, indent=2))
    assert all(result[name]["equal"] and result[name]["resumed"] for name in EVALUATIONS)


if __name__ == "__main__":
    main()
