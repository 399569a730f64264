"""Damages valid inference requests in every way, sends them, and judges what comes back.

An answer is wrong if a damaged request is answered with numbers that the executor does not give for
the tensor that stands in it; a request hangs if nothing comes within the deadline.
"""

from __future__ import annotations

import json
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import numpy as np
from tritonclient.grpc import service_pb2

from encas.runtime.loading import load

DEADLINE_S, PATIENCE_S = 15.0, 1.0
ALLOWED = {200, 400, 401, 404, 405, 408, 413, 429, 501, 503, 504}
HTTP = b"POST /v2/models/%s/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
SHOWN = 120
METHOD = "/inference.GRPCInferenceService/ModelInfer"
# UNKNOWN is what gRPC itself answers to bytes that are no message.
GRPC_ALLOWED = {
    "OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "INTERNAL",
    "DEADLINE_EXCEEDED", "UNKNOWN",
}  # fmt: skip


@dataclass
class Verdict:
    """What became of the damaged requests."""

    sent: Counter = field(default_factory=Counter)
    statuses: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    def to_json(self) -> dict:
        """Counts, and what must be empty."""
        return {
            "sent": sum(self.sent.values()),
            "by_damage": dict(self.sent),
            "statuses": {str(key): count for key, count in self.statuses.items()},
            "wrong": self.wrong,
            "hung": self.hung,
            "unexpected": self.unexpected,
        }


@dataclass
class Case:
    """A request in the making: JSON values, raw tensor, and headers that replace the right ones."""

    head: dict
    raw: bytes
    headers: dict[bytes, bytes] = field(default_factory=dict)
    text: bytes | None = None
    cut: int | None = None

    def bytes(self, model: str) -> bytes:
        """All bytes to send."""
        text = json.dumps(self.head).encode() if self.text is None else self.text
        body = (text + self.raw)[: self.cut]
        headers = {
            b"Content-Length": b"%d" % len(body),
            b"Inference-Header-Content-Length": b"%d" % len(text),
            **self.headers,
        }
        lines = b"".join(b"%s: %s\r\n" % item for item in headers.items())
        return HTTP % model.encode() + lines + b"\r\n" + body


Damage = Callable[[Case, np.random.Generator], None]
ODD = (0, 1, -1, 2**31, 2**63, 2**64, 10**30, 1.5, "7", None, True, [], {}, [1], "x" * 300)


def _odd(rng: np.random.Generator) -> object:
    return ODD[rng.integers(len(ODD))]


def header_length(case: Case, rng: np.random.Generator) -> None:
    values = [
        b"0",
        b"-1",
        b"99999999999999999999999",
        b"abc",
        b"1e3",
        b"",
        b"%d" % rng.integers(1, 400),
    ]
    case.headers[b"Inference-Header-Content-Length"] = values[rng.integers(len(values))]


def json_bits(case: Case, rng: np.random.Generator) -> None:
    text = bytearray(json.dumps(case.head).encode())
    for _ in range(rng.integers(1, 4)):
        text[rng.integers(len(text))] ^= 1 << rng.integers(8)
    case.text = bytes(text)


def cut_short(case: Case, rng: np.random.Generator) -> None:
    case.cut = int(rng.integers(0, len(case.raw) + 100))


def tensor_size(case: Case, rng: np.random.Generator) -> None:
    case.head["inputs"][0]["parameters"]["binary_data_size"] = _odd(rng)


def shape(case: Case, rng: np.random.Generator) -> None:
    dims = case.head["inputs"][0]["shape"]
    if rng.random() < 0.3:
        case.head["inputs"][0]["shape"] = _odd(rng)
    else:
        dims[rng.integers(len(dims))] = _odd(rng)


def datatype(case: Case, rng: np.random.Generator) -> None:
    kinds = ["FP64", "FP16", "INT8", "BYTES", "", "fp32", 7, None, "FP32\0"]
    case.head["inputs"][0]["datatype"] = kinds[rng.integers(len(kinds))]


def numbers(case: Case, rng: np.random.Generator) -> None:
    """The tensor itself: every bit pattern is a legal float."""
    raw = bytearray(case.raw)
    for _ in range(rng.integers(1, 20)):
        raw[rng.integers(len(raw))] = rng.integers(256)
    case.raw = bytes(raw)


def structure(case: Case, rng: np.random.Generator) -> None:
    key = ["inputs", "outputs", "parameters", "id"][rng.integers(4)]
    case.head[key] = _odd(rng)


def outputs(case: Case, rng: np.random.Generator) -> None:
    case.head["outputs"] = [
        {"name": "probabilities", "parameters": {"classification": _odd(rng)}},
        {"name": _odd(rng), "parameters": _odd(rng)},
    ][: rng.integers(1, 3)]


def nesting(case: Case, rng: np.random.Generator) -> None:
    depth = int(rng.integers(10, 100_000))
    case.text = b'{"inputs":' + b"[" * depth + b"]" * int(rng.integers(0, depth)) + b"}"


def packing(case: Case, rng: np.random.Generator) -> None:
    kinds = [b"gzip", b"deflate", b"br", b"gzip, gzip", b"\xff"]
    case.headers[b"Content-Encoding"] = kinds[rng.integers(len(kinds))]


def body_length(case: Case, rng: np.random.Generator) -> None:
    values = [b"-5", b"abc", b"0", b"99999999999999999999", b"5, 6", b"%d" % rng.integers(1, 300)]
    case.headers[b"Content-Length"] = values[rng.integers(len(values))]


def region(case: Case, rng: np.random.Generator) -> None:
    case.head["inputs"][0]["parameters"] = {
        "shared_memory_region": ["nope", "../../etc/passwd", "", 3][rng.integers(4)],
        "shared_memory_byte_size": _odd(rng),
        "shared_memory_offset": _odd(rng),
    }
    case.raw = b""


DAMAGES: tuple[Damage, ...] = (
    header_length, json_bits, cut_short, tensor_size, shape, datatype, numbers, structure, outputs,
    nesting, packing, body_length, region,
)  # fmt: skip


class Fuzzer:
    """Sends damaged requests to one model of one server."""

    def __init__(self, http: str, grpc_url: str, model: str, bundle: Path, x: np.ndarray) -> None:
        parts = urlsplit(http)
        self.address = (parts.hostname, parts.port)
        self.channel = grpc.insecure_channel(urlsplit(grpc_url).netloc)
        self.model, self.x, self.runner = model, x, load(bundle, n_threads=1)
        self.verdict = Verdict()

    def valid(self, rng: np.random.Generator) -> Case:
        """An undamaged request."""
        x = self.x[rng.integers(0, len(self.x), rng.integers(1, 5))]
        tensor = {
            "name": "input",
            "datatype": "FP32",
            "shape": list(x.shape),
            "parameters": {"binary_data_size": x.nbytes},
        }
        head = {"id": "7", "inputs": [tensor], "parameters": {"binary_data_output": True}}
        return Case(head=head, raw=x.tobytes())

    def http(self, rng: np.random.Generator) -> None:
        """One damaged request over HTTP, and perhaps garbage behind it."""
        case, damage = self.valid(rng), DAMAGES[rng.integers(len(DAMAGES))]
        damage(case, rng)
        content = case.bytes(self.model)
        if rng.random() < 0.1:
            damage, content = garbage, garbage(rng)
        self.verdict.sent[damage.__name__] += 1
        status, body = self._exchange(content, f"{damage.__name__}: {content[:SHOWN]!r}")
        self.verdict.statuses[status] += 1
        if isinstance(status, int) and status not in ALLOWED:
            self.verdict.unexpected.append(f"{status} for {damage.__name__}: {content[:SHOWN]!r}")
        if status == 200:
            self._judge(content, body, damage.__name__)

    def _exchange(self, content: bytes, what: str) -> tuple[int | str, bytes]:
        """Status and answer; a request that never ends is given up after a while."""
        with socket.create_connection(self.address, timeout=PATIENCE_S) as link:
            try:
                link.sendall(content)
                answer = _received(link)
            except TimeoutError:
                link.settimeout(DEADLINE_S)
                try:
                    link.shutdown(socket.SHUT_WR)
                    answer = _received(link)
                except TimeoutError:
                    self.verdict.hung.append(what)
                    return "hung", b""
                except OSError:
                    return "closed", b""
            except OSError:
                return "closed", b""
        if not answer.startswith(b"HTTP/1.1 "):
            return "closed", b""
        return int(answer[9:12]), answer

    def _judge(self, content: bytes, answer: bytes, damage: str) -> None:
        """Whether an accepted request was answered with the executor's numbers."""
        sent, got = _message(content), _message(answer)
        if sent is None or got is None:
            self.verdict.wrong.append(f"{damage}: accepted {content[:SHOWN]!r}")
            return
        (head, raw), (found, numbers_raw) = sent, got
        dims = head["inputs"][0]["shape"]
        x = np.frombuffer(raw[: head["inputs"][0]["parameters"]["binary_data_size"]], np.float32)
        prediction = self.runner(x.reshape(dims))
        if not np.isfinite(prediction.probabilities).all():
            return
        answers = _whole_numbers(found["outputs"], numbers_raw)
        for name, expected in (("label", prediction.label), ("stage", prediction.stage)):
            if answers.get(name, expected.tolist()) != expected.tolist():
                self.verdict.wrong.append(f"{damage}: {name} for {content[:SHOWN]!r}")

    def grpc(self, rng: np.random.Generator) -> None:
        """One damaged message over gRPC."""
        x = self.x[rng.integers(0, len(self.x), rng.integers(1, 5))]
        message = service_pb2.ModelInferRequest(model_name=self.model)
        message.inputs.add(name="input", datatype="FP32", shape=x.shape)
        message.raw_input_contents.append(x.tobytes())
        content = bytearray(message.SerializeToString())
        for _ in range(rng.integers(1, 6)):
            content[rng.integers(min(len(content), 80))] = rng.integers(256)
        if rng.random() < 0.3:
            del content[rng.integers(len(content)) :]
        call = self.channel.unary_unary(METHOD, lambda b: b, lambda b: b)
        self.verdict.sent["grpc"] += 1
        try:
            call(bytes(content), timeout=DEADLINE_S)
            status = "OK"
        except grpc.RpcError as error:
            status = error.code().name
        self.verdict.statuses[status] += 1
        if status == "DEADLINE_EXCEEDED":
            self.verdict.hung.append(f"grpc: {bytes(content[:SHOWN])!r}")
        if status not in GRPC_ALLOWED:
            self.verdict.unexpected.append(f"{status} for grpc: {bytes(content[:SHOWN])!r}")


def _whole_numbers(outputs: list[dict], raw: bytes) -> dict[str, list[int]]:
    """The outputs of type INT64, wherever they stand in an answer."""
    found, start = {}, 0
    for output in outputs:
        size = output.get("parameters", {}).get("binary_data_size", 0)
        if output["datatype"] == "INT64":
            part = np.frombuffer(raw[start : start + size], np.int64).tolist()
            found[output["name"]] = output.get("data", part)
        start += size
    return found


def _received(link: socket.socket) -> bytes:
    answer = b""
    while chunk := link.recv(65536):
        answer += chunk
    return answer


def garbage(rng: np.random.Generator) -> bytes:
    lines = [
        rng.bytes(int(rng.integers(1, 2000))),
        b"GET " + b"/" * int(rng.integers(1, 70_000)) + b" HTTP/1.1\r\n\r\n",
        b"POST /v2/models/x/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        struct.pack("<I", 7) * int(rng.integers(1, 100)),
        b"POST /v2/models/x/infer HTTP/1.1\r\n"
        + b"A: b\r\n" * int(rng.integers(1, 5000))
        + b"\r\n",
    ]
    return lines[rng.integers(len(lines))]


def _message(content: bytes) -> tuple[dict, bytes] | None:
    """JSON and the raw rest of a request or an answer."""
    head, _, body = content.partition(b"\r\n\r\n")
    headers = dict(
        line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line
    )
    body = body[: int(headers.get(b"content-length", len(body)))]
    length = int(headers.get(b"inference-header-content-length", len(body)))
    try:
        return json.loads(body[:length]), body[length:]
    except ValueError:
        return None
