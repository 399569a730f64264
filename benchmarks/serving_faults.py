"""Whatever breaks, the server answers rightly, with the protocol's error, or closes; never hangs.

clients: load clients are killed with SIGKILL in the middle of their requests.
servers: the server is killed with SIGKILL under load and started again on the same port.
bodies:  schemathesis on the OpenAPI document, and damaged binary requests over HTTP and gRPC.

    python benchmarks/serving_faults.py [--kills 20] [--cases 2000] [--examples 50]
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "serving"))

import numpy as np
from front_bundles import make_bundles
from fuzz_client import Fuzzer
from servers import Serving, encas_serve, load_result, run_load, start_load, write_expected

from encas.data.digits import digits

ROWS = 4
REFUSALS = {"200", "429", "503", "RESOURCE_EXHAUSTED", "UNAVAILABLE"}
BROKEN = {
    "ConnectionRefusedError", "ConnectionResetError", "IncompleteReadError", "BrokenPipeError",
    "OSError",
}  # fmt: skip
OPEN_FILES_MARGIN = 64
SCHEMATHESIS = """[parameters]
model = "{model}"
[checks]
not_a_server_error.expected-statuses = ["2xx", "4xx", "501"]
"""
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,unsupported_method,allow_header_conformance"
)


def open_files(serving: Serving) -> int:
    return len(list(Path(f"/proc/{serving.pid}/fd").iterdir()))


def kill_clients(serving: Serving, folder: Path, common: dict, kills: int) -> dict:
    rng = random.Random(0)
    before = open_files(serving)
    for turn in range(kills):
        url = (serving.http, serving.grpc)[turn % 2]
        client = start_load(folder, **common, url=url, seconds=60.0, concurrency=16)
        time.sleep(2.0 + rng.random())
        client.kill()
        client.communicate()
        after = run_load(folder, **common, url=url, seconds=0.3, concurrency=2)
        assert after["wrong"] == after["lost"] == 0, after
        assert after["answered"] > 0, after
    time.sleep(1.0)
    return {"kills": kills, "open_files": {"before": before, "after": open_files(serving)}}


def kill_servers(bundle: Path, folder: Path, common: dict, kills: int) -> dict:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    totals: dict[str, int] = {}
    rng, wrong, restart_s = random.Random(1), 0, []
    for turn in range(kills):
        started = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "encas",
            "serve",
            str(bundle),
            "--threads",
            "1",
            "--no-grpc",
        ]
        server = subprocess.Popen(
            [*command, "--http-port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            server.stdout.readline()
            restart_s.append(time.monotonic() - started)
            load = start_load(
                folder, **common, url=f"http://127.0.0.1:{port}", seconds=2.5, rate=150, seed=turn
            )
            time.sleep(1.5 + rng.random())
        finally:
            server.kill()
            server.communicate()
        found = load_result(load)
        wrong += found["wrong"]
        for status, count in found["statuses"].items():
            totals[status] = totals.get(status, 0) + count
    return {
        "kills": kills,
        "wrong": wrong,
        "statuses": totals,
        "slowest_restart_s": round(max(restart_s), 2),
    }


def schemathesis(serving: Serving, folder: Path, model: str, examples: int) -> dict:
    (folder / "schemathesis.toml").write_text(SCHEMATHESIS.format(model=model))
    program = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [
            program, "--config-file", folder / "schemathesis.toml",
            "run", f"{serving.http}/openapi.json", "--checks", CHECKS,
            "--max-examples", str(examples), "--phases", "examples,coverage,fuzzing",
            "--warnings", "off", "--continue-on-failure", "--exclude-path-regex", "unload",
            "--request-timeout", "20", "--generation-database", "none",
            "--report", "json", "--report-dir", folder / "schemathesis",
        ],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    reports = sorted((folder / "schemathesis").glob("*.json"))
    assert reports, done.stdout + done.stderr
    report = json.loads(reports[-1].read_text())
    return {
        "cases": report["test_cases"],
        "failures": len(report["failures"]),
        "errors": len(report["errors"]),
        "exit_code": done.returncode,
        "output": "" if done.returncode == 0 else done.stdout[-3000:],
    }


def fuzz(serving: Serving, bundle: Path, cases: int) -> dict:
    rng = np.random.default_rng(0)
    fuzzer = Fuzzer(serving.http, serving.grpc, bundle.name, bundle, digits("test")[0])
    for turn in range(cases):
        (fuzzer.grpc if turn % 4 == 3 else fuzzer.http)(rng)
    return fuzzer.verdict.to_json()


def main(kills: int, cases: int, examples: int, folder: Path) -> dict:
    bundle = make_bundles(folder / "front")["balanced"]
    expected = {"": str(write_expected(bundle, folder / "expected.npz"))}
    common = {"model": bundle.name, "expected": expected, "rows": ROWS}
    limits = ("--threads", 1, "--max-request-mb", 4)
    with encas_serve(bundle, *limits) as serving:
        report = {"clients": kill_clients(serving, folder, common, kills)}
        report["bodies"] = fuzz(serving, bundle, cases)
        report["schemathesis"] = schemathesis(serving, folder, bundle.name, examples)
        after = run_load(folder, **common, url=serving.http, seconds=1.0, concurrency=4)
        report["afterwards"] = {key: after[key] for key in ("answered", "wrong", "lost")}
    report["servers"] = kill_servers(bundle, folder, common, kills)
    return report


def check(report: dict) -> None:
    files = report["clients"]["open_files"]
    assert files["after"] <= files["before"] + OPEN_FILES_MARGIN, files
    bodies = report["bodies"]
    assert not bodies["wrong"] + bodies["hung"] + bodies["unexpected"], bodies
    assert report["schemathesis"]["exit_code"] == 0, report["schemathesis"]
    assert report["afterwards"]["wrong"] == report["afterwards"]["lost"] == 0
    servers = report["servers"]
    assert servers["wrong"] == 0, servers
    assert set(servers["statuses"]) <= REFUSALS | BROKEN, servers


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--examples", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = main(options.kills, options.cases, options.examples, Path(temporary))
    print(json.dumps(result, indent=2))
    check(result)
