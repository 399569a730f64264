"""What the serving benchmarks share: servers in processes of their own, loads, expected answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encas.cascade import confidence_of
from encas.data.digits import digits
from encas.runtime.loading import load
from encas.serving.triton.layout_options import LayoutOptions
from encas.serving.triton.repository import write_repository

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1] / "tests" / "support"))

from local_triton import LocalTriton, TritonInstallation, local_triton  # noqa: E402

ENVIRONMENT = HERE.parents[1] / "build" / "triton" / "venv"
CLOSE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A server that runs: where it listens, and its process."""

    http: str
    grpc: str
    pid: int

    @property
    def resident_mb(self) -> float:
        """Memory of the process that really lies in RAM."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def encas_serve(*arguments: object) -> Iterator[Serving]:
    command = [sys.executable, "-m", "encas", "serve", *map(str, arguments), "--json"]
    command += ["--http-port", "0", "--grpc-port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        text = ""
        for line in iter(process.stdout.readline, "}\n"):
            assert line, "the server did not start"
            text += line
        ports = json.loads(text + "}")
        yield Serving(
            http=f"http://127.0.0.1:{ports['http_port']}",
            grpc=f"grpc://127.0.0.1:{ports['grpc_port']}",
            pid=process.pid,
        )
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@contextmanager
def grpc_echo(n_rows: int) -> Iterator[Serving]:
    """A server that runs no model; see grpc_echo.py."""
    command = [sys.executable, str(HERE / "grpc_echo.py"), str(n_rows)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = json.loads(process.stdout.readline())["grpc_port"]
        yield Serving(http="", grpc=f"grpc://127.0.0.1:{port}", pid=process.pid)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def triton_serve(bundle: Path, layout: str, folder: Path) -> Iterator[Serving]:
    options = LayoutOptions(layout=layout, target="cpu", backend="python", threads=1)
    written = write_repository([bundle], folder / layout, options, overwrite=True)
    installation = TritonInstallation(environment=ENVIRONMENT)
    running: LocalTriton
    with local_triton(installation, written.path, folder / f"{layout}.log") as running:
        yield Serving(
            http=f"http://{running.http}", grpc=f"grpc://{running.grpc}", pid=running.process.pid
        )


def start_load(folder: Path, **options: object) -> subprocess.Popen:
    file = folder / f"load_{os.urandom(4).hex()}.json"
    file.write_text(json.dumps(options, default=str))
    command = [sys.executable, str(HERE / "load_client.py"), str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def load_result(process: subprocess.Popen) -> dict:
    out, _ = process.communicate(timeout=900)
    assert process.returncode == 0
    return json.loads(out)


def run_load(folder: Path, **options: object) -> dict:
    return load_result(start_load(folder, **options))


def write_expected(bundle: Path, file: Path) -> Path:
    """What the executor answers to the test digits; `close` where rounding may decide otherwise."""
    x, truth = digits("test")
    runner = load(bundle, n_threads=1)
    prediction = runner(x)
    close = np.zeros(len(x), bool)
    thresholds = (*runner.cascade.thresholds, None)
    for j, threshold in enumerate(thresholds):
        total = sum(session.run(x) for session in runner.sessions[: j + 1]) / np.float32(j + 1)
        top = np.sort(total, axis=1)[:, -2:]
        close |= (prediction.stage == j + 1) & (top[:, 1] - top[:, 0] < CLOSE)
        if threshold is not None:
            sure = confidence_of(total, runner.cascade.confidence)
            close |= (prediction.stage >= j + 1) & (np.abs(sure - threshold) < CLOSE)
    np.savez(
        file,
        x=x,
        truth=truth,
        label=prediction.label,
        stage=prediction.stage,
        probabilities=prediction.probabilities,
        close=close,
    )
    return file
