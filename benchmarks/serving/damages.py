"""Ways to damage a valid inference request; one function for each."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

HTTP = b"POST /v2/models/%s/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


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
