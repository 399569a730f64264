"""Damages valid inference requests in every way, sends them, and judges what comes back.

An answer is wrong if a damaged request is answered with numbers that the executor does not give for
the tensor that stands in it; a request hangs if nothing comes within the deadline.
"""

from __future__ import annotations

import json
import socket
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import numpy as np
from damages import DAMAGES, Case, garbage
from tritonclient.grpc import service_pb2

from encas.runtime.loading import load

DEADLINE_S, PATIENCE_S = 15.0, 1.0
ALLOWED = {200, 400, 401, 404, 405, 408, 413, 429, 501, 503, 504}
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
        tensor = head["inputs"][0]
        x = np.frombuffer(raw[: tensor["parameters"]["binary_data_size"]], np.float32)
        answers = _whole_numbers(found["outputs"], numbers_raw)
        self._compare(x.reshape(tensor["shape"]), answers, f"{damage}: {content[:SHOWN]!r}")

    def _compare(self, x: np.ndarray, answers: dict[str, list[int]], what: str) -> None:
        prediction = self.runner(x)
        if not np.isfinite(prediction.probabilities).all():
            return
        for name, expected in (("label", prediction.label), ("stage", prediction.stage)):
            if answers.get(name, expected.tolist()) != expected.tolist():
                self.verdict.wrong.append(f"{name} for {what}")

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
            answer = call(bytes(content), timeout=DEADLINE_S)
            status = "OK"
            self._judge_grpc(bytes(content), answer)
        except grpc.RpcError as error:
            status = error.code().name
        self.verdict.statuses[status] += 1
        if status == "DEADLINE_EXCEEDED":
            self.verdict.hung.append(f"grpc: {bytes(content[:SHOWN])!r}")
        if status not in GRPC_ALLOWED:
            self.verdict.unexpected.append(f"{status} for grpc: {bytes(content[:SHOWN])!r}")

    def _judge_grpc(self, content: bytes, answer: bytes) -> None:
        request = service_pb2.ModelInferRequest.FromString(content)
        response = service_pb2.ModelInferResponse.FromString(answer)
        x = np.frombuffer(request.raw_input_contents[0], np.float32)
        answers = {
            output.name: np.frombuffer(raw, np.int64).tolist()
            for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
            if output.datatype == "INT64"
        }
        x = x.reshape(list(request.inputs[0].shape))
        self._compare(x, answers, f"grpc: {content[:SHOWN]!r}")


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
