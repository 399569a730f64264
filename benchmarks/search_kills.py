"""A search that is killed (SIGKILL) at random moments, twenty in all, ends as one left in peace.

Claim: for mo-gomea and for the sweep (of two costs), on 16 real CIFAR-10 networks, the cascades of
the resumed search, their scores and the hypervolume history equal those of the uninterrupted one;
of the front file only the seconds differ. A search that is over before twenty kills is followed by
another.

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

# Long enough to be killed and resumed several times.
SEARCHES = {
    "mo-gomea": ("--evaluations", "1000000"),
    "sweep": ("--evaluations", "60000", "--objective", "macs", "--objective", "params"),
}
# A checkpoint is written every 5 seconds: some kills come before the first one, some after.
EARLIEST_S, LATEST_S = 4.0, 9.0


def command(pool: Path, out: Path, algorithm: str, *more: str) -> list[str]:
    search = [sys.executable, "-m", "encas", "search", str(pool), "--out", str(out)]
    return [*search, "--algorithm", algorithm, "--seed", "1", *SEARCHES[algorithm], *more]


def killed(
    pool: Path, out: Path, algorithm: str, kills: int, rng: np.random.Generator
) -> tuple[int, int]:
    """Kills a search at random moments, then lets it end; how many kills, how many resumptions."""
    n_killed = n_resumed = 0
    checkpoint = out.with_name(f"{out.name}.checkpoint.npz")
    for _ in range(kills):
        more = ["--resume"] if checkpoint.is_file() else []
        n_resumed += bool(more)
        process = subprocess.Popen(
            command(pool, out, algorithm, *more),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
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
    return n_killed, n_resumed


def essence(front: Path) -> Any:
    """A front file without its seconds."""
    content = json.loads(front.read_text())
    history = content["search"]["hypervolume"]["history"]
    content["search"]["hypervolume"]["history"] = [[row[0], row[2]] for row in history]
    content["search"].pop("wall_s")
    return content


def disturbed(given: Any, algorithm: str) -> dict[str, Any]:
    """As many searches as it takes for so many kills, each compared with the undisturbed one."""
    rng = np.random.default_rng(1)
    counts = np.zeros(2, np.int64)
    with tempfile.TemporaryDirectory() as folder:
        pool, whole = Path(folder) / "pool", Path(folder) / "whole.json"
        load(given.data, "val").save(pool)
        start = time.perf_counter()
        subprocess.run(command(pool, whole, algorithm), check=True, capture_output=True)
        seconds = time.perf_counter() - start
        equal = []
        while counts[0] < given.kills:
            out = Path(folder) / str(len(equal)) / "out.json"
            out.parent.mkdir()
            counts += killed(pool, out, algorithm, given.kills - int(counts[0]), rng)
            equal.append(essence(whole) == essence(out))
    return {
        "kills": int(counts[0]),
        "resumed": int(counts[1]),
        "searches": len(equal),
        "equal": sum(equal),
        "uninterrupted_seconds": seconds,
    }


def main() -> None:
    given = arguments(__doc__, kills=20)
    result: dict[str, Any] = {"machine": machine()}
    for algorithm in SEARCHES:
        result[algorithm] = disturbed(given, algorithm)
    print(json.dumps(result, indent=2))
    for found in (result[algorithm] for algorithm in SEARCHES):
        assert found["equal"] == found["searches"]
        assert found["resumed"]


if __name__ == "__main__":
    main()
