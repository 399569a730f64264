"""A hostile bundle is refused with one of our errors, or does what an honest one does.

    python benchmarks/bundle_fuzz.py --seconds 60

Mutates the manifest (values, types, keys, paths, sizes) and the bytes of members and graph, with
and without a manifest that knows of the new bytes, and opens every result. Counts the inputs; any
exception that is not an `EncasError`, and any file opened outside of the bundle, is a failure.
Prints JSON.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from onnxruntime_versions import SHAPE, _graph, _member

from encas.bundle_files import file_entry
from encas.cascade import Cascade
from encas.entries import GraphEntry, MemberEntry
from encas.errors import EncasError
from encas.files import sha256_of
from encas.manifest import MANIFEST_FILE, Manifest
from encas.runtime.loading import load

NASTY: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 2**63, 1e308, "", "x", "../../etc/passwd", "/etc/passwd", "a\\b",
    "C:x", "members/../../x", "\x00", "\ud800", [], {}, [None], {"x": 1}, "a" * 5000, float(2**31),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    opened: set[str] = set()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        honest, bundle = Path(name) / "honest", Path(name) / "bundle"
        _write(honest)
        for backend in ("staged", "graph"):
            load(honest, n_threads=1, backend=backend)  # libraries read what they read once
        sys.addaudithook(lambda event, given: _note(event, given, opened))
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            shutil.rmtree(bundle, ignore_errors=True)
            shutil.copytree(honest, bundle)
            kind = rng.choice((_in_manifest, _in_text, _in_file, _in_hashed_file))
            kind(bundle, rng)
            opened.clear()
            counts[kind.__name__.removeprefix("_in_")] += 1
            counts[_outcome(bundle, rng)] += 1
            outside = [path for path in opened if not path.startswith(str(bundle))]
            assert not outside, outside
    tried = sum(counts[key] for key in ("manifest", "text", "file", "hashed_file"))
    print(json.dumps({"tried": tried, "seed": options.seed, **counts}, indent=2))
    assert counts["refused"] > 0


def _outcome(bundle: Path, rng: random.Random) -> str:
    try:
        runner = load(bundle, n_threads=1, backend=rng.choice(("staged", "graph")))
        info = runner.info
        n_values = int(np.prod(info.input_shape))
        if n_values > 10**6:
            return "too large to run"
        runner(np.zeros((3, *info.input_shape), info.input_dtype))
    except EncasError:
        return "refused"
    return "ran"


def _note(event: str, given: tuple[Any, ...], opened: set[str]) -> None:
    """Files that bundles make us open: not libraries, and not what Python itself reads."""
    if event != "open" or not isinstance(given[0], str):
        return
    path = given[0]
    if (
        path.startswith(("/etc", "/root", "/home", "/tmp", "/var"))
        and not path.endswith((".py", ".pyc", ".so", ".json.gz"))
        and "site-packages" not in path
        and "/schemas/" not in path
        and "/lib/python" not in path
    ):
        opened.add(path)


def _in_manifest(bundle: Path, rng: random.Random) -> None:
    path = bundle / MANIFEST_FILE
    content = json.loads(path.read_text())
    for _ in range(rng.randint(1, 3)):
        _mutate(content, rng)
    path.write_text(json.dumps(content), "utf-8", errors="surrogatepass")


def _mutate(content: Any, rng: random.Random) -> None:
    place = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = rng.choice(keys)
        below = place[key]
        if isinstance(below, (dict, list)) and below and rng.random() < 0.75:
            place = below
            continue
        break
    action = rng.random()
    if action < 0.15:
        del place[key]
    elif action < 0.25 and isinstance(place, dict):
        place[rng.choice(("x", "pickle", "library", "external"))] = copy.deepcopy(below)
    elif action < 0.35 and isinstance(place, list):
        place.append(copy.deepcopy(below))
    else:
        place[key] = copy.deepcopy(rng.choice(NASTY))


def _in_text(bundle: Path, rng: random.Random) -> None:
    _flip(bundle / MANIFEST_FILE, rng)


def _in_file(bundle: Path, rng: random.Random) -> None:
    _flip(rng.choice(sorted(bundle.rglob("*.onnx"))), rng)


def _in_hashed_file(bundle: Path, rng: random.Random) -> None:
    """The attacker who knows the format: the manifest has the hash of the mutated file."""
    file = rng.choice(sorted(bundle.rglob("*.onnx")))
    _flip(file, rng)
    path = bundle / MANIFEST_FILE
    content = json.loads(path.read_text())
    for entry in (*content["members"], content["graph"]):
        if entry["file"] == file.relative_to(bundle).as_posix():
            entry |= {"sha256": sha256_of(file), "bytes": file.stat().st_size}
    path.write_text(json.dumps(content))


def _flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 8)):
        action, place = rng.random(), rng.randrange(len(content))
        if action < 0.6:
            content[place] = rng.randrange(256)
        elif action < 0.8:
            del content[place : place + rng.randint(1, 64)]
        else:
            content[place:place] = rng.randbytes(rng.randint(1, 64))
        if not content:
            content = bytearray(b"\x00")
    path.write_bytes(bytes(content))


def _write(folder: Path) -> None:
    (folder / "members").mkdir(parents=True)
    names = tuple("abcd")
    entries = []
    for seed, name in enumerate(names):
        (folder / f"members/{name}.onnx").write_bytes(_member(seed).SerializeToString())
        entry = file_entry(folder, f"members/{name}.onnx")
        entries.append(
            MemberEntry(file=entry.file, sha256=entry.sha256, bytes=entry.bytes, name=name)
        )
    (folder / "cascade.onnx").write_bytes(_graph("branches").SerializeToString())
    graph = file_entry(folder, "cascade.onnx")
    Manifest(
        name="fuzz",
        cascade=Cascade(members=names, thresholds=(0.5, 0.4, 0.35)),
        members=tuple(entries),
        input_shape=SHAPE,
        n_classes=5,
        graph=GraphEntry(file=graph.file, sha256=graph.sha256, bytes=graph.bytes),
    ).save(folder)


if __name__ == "__main__":
    main()
