"""A real Triton server without a container or a GPU: the one in the wheel nvidia-pytriton.

It has the Python backend and ensembles, not the ONNX Runtime backend, so that repositories for it
are written with `--backend python`. Its environment is apart from everybody else's: the server
needs numpy before 2. Linux and CPython 3.11 alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from encas.errors import ServingError

HOST = "127.0.0.1"
STUB = "triton_python_backend_stub"
SHARED_MEMORY = Path("/dev/shm")
START_S, STOP_S, POLL_S = 60.0, 30.0, 0.05
LOG_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonInstallation:
    """An environment that holds nvidia-pytriton.

    Args:
        environment: folder of the virtual environment.

    Raises:
        ServingError: there is no server in it.
    """

    environment: Path

    def __post_init__(self) -> None:
        if not self.binary.is_file():
            raise ServingError(
                "no Triton server here; make one with: make test-triton",
                where=str(self.environment),
            )

    @property
    def folder(self) -> Path:
        """Where the server's files lie."""
        return self.environment / "lib/python3.11/site-packages/pytriton/tritonserver"

    @property
    def binary(self) -> Path:
        """The program."""
        return self.folder / "bin" / "tritonserver"

    def prepare(self) -> None:
        """Puts the program that runs Python models where the server looks for it."""
        stub = self.folder / "backends" / "python" / STUB
        if not stub.exists():
            shutil.copy2(self.folder / "python_backend_stubs" / "3.11" / STUB, stub)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTriton:
    """A Triton server that runs.

    Args:
        http_port: on 127.0.0.1, like the others.
        grpc_port: for gRPC.
        metrics_port: for Prometheus.
        process: the server.
        log: what it says.
    """

    http_port: int
    grpc_port: int
    metrics_port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def http(self) -> str:
        """HOST:PORT."""
        return f"{HOST}:{self.http_port}"

    @property
    def grpc(self) -> str:
        """HOST:PORT."""
        return f"{HOST}:{self.grpc_port}"


@contextmanager
def local_triton(
    installation: TritonInstallation,
    repository: Path,
    log: Path,
    *,
    arguments: Sequence[str] = ("--model-control-mode=explicit", "--load-model=*"),
) -> Generator[LocalTriton]:
    """Starts a server on free ports; at the end neither processes nor shared memory are left.

    Args:
        installation: where the server is.
        repository: of models.
        log: file for what the server says.
        arguments: further ones.

    Raises:
        ServingError: the server ended or was not ready in time; the end of its log is in the text.
    """
    installation.prepare()
    prefix = f"encas_{uuid.uuid4().hex[:12]}_"
    ports = _free_ports(3)
    command = _command(installation, repository, ports, prefix)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(installation),
            start_new_session=True,
        )
    try:
        _await_ready(process, ports[0], log)
        http_port, grpc_port, metrics_port = ports
        yield LocalTriton(
            http_port=http_port,
            grpc_port=grpc_port,
            metrics_port=metrics_port,
            process=process,
            log=log,
        )
    finally:
        _end(process)
        for region in SHARED_MEMORY.glob(f"{prefix}*"):
            region.unlink(missing_ok=True)


def _command(
    installation: TritonInstallation, repository: Path, ports: Sequence[int], prefix: str
) -> list[str]:
    http_port, grpc_port, metrics_port = ports
    return [
        str(installation.binary),
        f"--model-repository={repository}",
        f"--backend-directory={installation.folder / 'backends'}",
        f"--backend-config=python,shm-region-prefix-name={prefix}",
        "--allow-gpu-metrics=false",
        f"--http-address={HOST}",
        f"--http-port={http_port}",
        f"--grpc-address={HOST}",
        f"--grpc-port={grpc_port}",
        f"--metrics-address={HOST}",
        f"--metrics-port={metrics_port}",
    ]


def _environment(installation: TritonInstallation) -> Mapping[str, str]:
    path = f"{installation.environment / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path}


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _await_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_S
    while not _is_ready(port):
        if process.poll() is not None:
            raise ServingError(f"ended with {process.returncode}: {_tail(log)}", where="Triton")
        if time.monotonic() > end:
            raise ServingError(f"not ready after {START_S:g} s: {_tail(log)}", where="Triton")
        time.sleep(POLL_S)


def _is_ready(port: int) -> bool:
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the server, and whatever of its own processes outlives it."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_S)
    end = time.monotonic() + STOP_S
    while _lives(process.pid) and time.monotonic() < end:
        time.sleep(POLL_S)


def _lives(group: int) -> bool:
    """Whether a process of a group still runs."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its_group, *_ = file.read_text("ascii", "replace").rpartition(")")[2].split()
            if int(its_group) == group and state != "Z":
                return True
    return False
