"""One thread, two threads, and two beside a busy process on each core: MO-GOMEA and the sweep.

The pools: 16 real CIFAR-10 networks, and the *simulated* pool of paper_scale.py, where that has
left it in build/bench/paper_scale/pool. Every search runs in a process of its own that may use one
or two cores; code is compiled before. With --beside FOLDER, a checkout of another commit (called
encas), both take turns.

Claim: fronts are the same whatever the number of threads and whatever else runs; two threads use at
most 1.25 times the processor time of one; beside one busy process on each core a search takes at
most 2.5 times as long as alone. With --beside: fronts are those of the other commit, too.

    python benchmarks/search_threads.py --data ../shared/data --beside /elsewhere/encas
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cifar10 import REPOSITORY, arguments, load, machine, median, skip

SEARCHES = {"mo-gomea": 150_000, "sweep": 15_000}
PAPER = Path("build/bench/paper_scale/pool")
MOST_PROCESSOR, MOST_BUSY = 1.25, 2.5
BUSY = "while True: pass"
CHILD = """
import hashlib, json, os, sys, time
kind, folder, data, algorithm, evaluations, cores = sys.argv[1:]
os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
from dataclasses import replace
from pathlib import Path
from encas.pools.pool import Pool
from encas.search.front_finding import find_front
if kind == "paper":
    from encas.pools.absent_output import AbsentOutput
    from paper_scale import PAPER, simulated
    pool = simulated(Path(data), Path(folder), PAPER)
    shape = PAPER["n_samples"], PAPER["n_classes"]
    absent = AbsentOutput(shape=shape, dtype=__import__("numpy").dtype("float32"), where=folder)
    pool = replace(pool, outputs=(absent,) * pool.n_models)
else:
    pool = Pool.load(folder)
find_front(pool, algorithm=algorithm, evaluations=200, seed=1)
wall, used = time.perf_counter(), time.process_time()
front = find_front(pool, algorithm=algorithm, evaluations=int(evaluations), seed=1)
wall, used = time.perf_counter() - wall, time.process_time() - used
points = json.dumps([[c.error, c.cost, str(c.cascade)] for c in front.cascades])
digest = hashlib.sha256(points.encode()).hexdigest()
print(json.dumps({"seconds": wall, "processor_seconds": used, "front": digest}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where a search runs: in a tree, on some cores, beside busy processes or alone."""

    tree: Path
    cores: tuple[int, ...]
    is_busy: bool = False

    @property
    def name(self) -> str:
        commit = "" if self.tree == REPOSITORY else "other commit, "
        busy = ", busy machine" if self.is_busy else ""
        return f"{commit}{len(self.cores)} threads{busy}"


@contextmanager
def busy_cores(cores: Sequence[int]) -> Iterator[None]:
    """One process on each core that never waits."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in cores]
    for process, core in zip(processes, cores, strict=True):
        os.sched_setaffinity(process.pid, {core})
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def searched(setting: Setting, *given: object) -> dict[str, Any]:
    """One search in a process of its own."""
    cores = ",".join(map(str, setting.cores))
    command = [sys.executable, "-c", CHILD, *map(str, given), cores]
    paths = (setting.tree.parent, setting.tree / "benchmarks")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    with busy_cores(setting.cores if setting.is_busy else ()):
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def compared(settings: Sequence[Setting], repeats: int, *given: object) -> dict[str, Any]:
    """Medians of searches in all settings, which take turns."""
    runs: dict[str, list[dict[str, Any]]] = {setting.name: [] for setting in settings}
    for _ in range(repeats):
        for setting in settings:
            runs[setting.name].append(searched(setting, *given))
    fronts = {run["front"] for found in runs.values() for run in found}
    figures = {
        name: {key: round(median([run[key] for run in found]), 3) for key in KEYS}
        for name, found in runs.items()
    }
    return {"same_front": len(fronts) == 1, "medians": figures}


KEYS = ("seconds", "processor_seconds")


def main() -> None:
    given = arguments(__doc__, repeats=3, beside="", busy=1)
    cores = tuple(sorted(os.sched_getaffinity(0)))[:2]
    if len(cores) < 2:
        skip("two cores are needed")
    trees = [REPOSITORY, *([Path(given.beside).resolve()] if given.beside else [])]
    settings = [Setting(tree=tree, cores=cores[:n]) for n in (1, 2) for tree in trees]
    settings += [Setting(tree=tree, cores=cores, is_busy=True) for tree in trees if given.busy]
    rows = []
    with tempfile.TemporaryDirectory() as root:
        load(given.data, "val").save(f"{root}/cifar10")
        pools = {"cifar10": f"{root}/cifar10"} | ({"paper": PAPER} if PAPER.is_dir() else {})
        for kind, folder in pools.items():
            for algorithm, n in SEARCHES.items():
                found = compared(settings, given.repeats, kind, folder, given.data, algorithm, n)
                rows.append({"pool": kind, "algorithm": algorithm, "evaluations": n} | found)
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print(json.dumps({"machine": machine(), "rows": rows}, indent=2))
    for row in rows:
        assert row["same_front"], "a front depends on threads, load or commit"
        one, two = (row["medians"][f"{n} threads"] for n in (1, 2))
        used = two["processor_seconds"] / one["processor_seconds"]
        assert used <= MOST_PROCESSOR, f"two threads use {used:.2f} times the processor time of one"
        if given.busy:
            busy = row["medians"]["2 threads, busy machine"]["seconds"] / two["seconds"]
            assert busy <= MOST_BUSY, f"{busy:.2f} times as long beside busy processes"


if __name__ == "__main__":
    main()
