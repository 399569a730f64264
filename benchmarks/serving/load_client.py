"""Puts a load on a server from a process of its own, and checks every answer.

    python load_client.py OPTIONS.json        prints one JSON object

Options: url, model, seconds, rows, expected (cascade -> an .npz of x, truth, label, stage,
probabilities and close; an answer is held against the cascade that it names, "" if none), and
either concurrency (closed loop: so many clients, each asks again when it is answered) or rate (open
loop: so many requests per second, exponential gaps; a latency counts from the moment when the
request was due, so that a slow server cannot hide behind a waiting client). With target_ms, the
answers that took no longer are counted. The images of `expected` are all asked for equally often,
as far as the number of rows allows.

An answer is wrong if a label or stage differs where the decision is not close, or a probability by
more than 1e-5. A request is lost if it gets neither an answer nor a refusal.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

try:
    import uvloop
except ImportError:
    uvloop = None

TOLERANCE = 1e-5
TIMEOUT_S = 30.0
MAX_CONNECTIONS = 512
N_VARIANTS = 64
OUTPUTS = ("probabilities", "label", "stage")


@dataclass
class Tally:
    """What came back."""

    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter = field(default_factory=Counter)
    cascades: Counter = field(default_factory=Counter)
    right: int = 0
    rows: int = 0
    wrong: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Question:
    """A request ready to send, and what must come back."""

    content: object
    truth: np.ndarray
    expected: dict[str, dict[str, np.ndarray]]


def questions(options: dict, encode) -> list[Question]:
    data = {name: dict(np.load(file)) for name, file in options["expected"].items()}
    first = next(iter(data.values()))
    rng = np.random.default_rng(options.get("seed", 0))
    n_images, n_rows = len(first["x"]), options["rows"]
    rounds = math.ceil(N_VARIANTS * n_rows / n_images)
    order = np.concatenate([rng.permutation(n_images) for _ in range(rounds)])
    found = []
    for number in range(N_VARIANTS):
        rows = order[number * n_rows : (number + 1) * n_rows]
        expected = {
            name: {key: array[rows] for key, array in arrays.items()}
            for name, arrays in data.items()
        }
        found.append(Question(encode(first["x"][rows]), first["truth"][rows], expected))
    return found


def check(tally: Tally, question: Question, arrays: dict, cascade: str) -> None:
    expected = question.expected.get(cascade) or question.expected[""]
    label, stage = arrays["label"].ravel(), arrays["stage"].ravel()
    tally.rows += len(label)
    tally.right += int((label == question.truth).sum())
    same_stage = stage == expected["stage"]
    differs = (label != expected["label"]) | ~same_stage
    gap = np.abs(arrays["probabilities"] - expected["probabilities"]).max(axis=1)
    tally.wrong += int((differs & ~expected["close"]).any() or (gap[same_stage] > TOLERANCE).any())


class HttpCaller:
    """Raw HTTP/1.1 over kept connections, bodies made beforehand."""

    def __init__(self, options: dict) -> None:
        parts = urlsplit(options["url"])
        self.host, self.port, self.model = parts.hostname, parts.port, options["model"]
        self.free: list = []

    def encode(self, x: np.ndarray) -> bytes:
        """All bytes of a request."""
        raw = x.tobytes()
        head = json.dumps(
            {
                "inputs": [
                    {
                        "name": "input",
                        "datatype": "FP32",
                        "shape": list(x.shape),
                        "parameters": {"binary_data_size": len(raw)},
                    }
                ],
                "outputs": [{"name": n, "parameters": {"binary_data": True}} for n in OUTPUTS],
            }
        ).encode()
        start = (
            f"POST /v2/models/{self.model}/infer HTTP/1.1\r\nHost: {self.host}\r\n"
            f"Inference-Header-Content-Length: {len(head)}\r\n"
            f"Content-Length: {len(head) + len(raw)}\r\n\r\n"
        )
        return start.encode() + head + raw

    async def ask(self, content: bytes) -> tuple[str, dict, str]:
        """Status, arrays and the cascade's name."""
        reader, writer = self.free.pop() if self.free else await self.connect()
        try:
            writer.write(content)
            head = await reader.readuntil(b"\r\n\r\n")
            headers = dict(line.lower().split(b": ", 1) for line in head[:-4].split(b"\r\n")[1:])
            body = await reader.readexactly(int(headers[b"content-length"]))
        except BaseException:
            writer.close()
            raise
        if headers.get(b"connection") == b"close":
            writer.close()
        else:
            self.free.append((reader, writer))
        status = head[9:12].decode()
        if status != "200":
            return status, {}, ""
        length = int(headers[b"inference-header-content-length"])
        answer = json.loads(body[:length])
        return status, _arrays(answer["outputs"], body[length:]), _name(answer)

    async def connect(self):
        """A new connection."""
        return await asyncio.open_connection(self.host, self.port)


def _arrays(outputs: list, raw: bytes) -> dict:
    arrays, start = {}, 0
    for output in outputs:
        stop = start + output["parameters"]["binary_data_size"]
        dtype = {"FP32": np.float32, "INT64": np.int64}[output["datatype"]]
        arrays[output["name"]] = np.frombuffer(raw[start:stop], dtype).reshape(output["shape"])
        start = stop
    return arrays


def _name(answer: dict) -> str:
    return answer.get("parameters", {}).get("cascade", "")


class GrpcCaller:
    """grpc.aio with messages made beforehand."""

    def __init__(self, options: dict) -> None:
        self.model = options["model"]
        self.channel = grpc.aio.insecure_channel(urlsplit(options["url"]).netloc)
        self.stub = service_pb2_grpc.GRPCInferenceServiceStub(self.channel)

    def encode(self, x: np.ndarray):
        """The message of a request."""
        message = service_pb2.ModelInferRequest(model_name=self.model)
        message.inputs.add(name="input", datatype="FP32", shape=x.shape)
        message.raw_input_contents.append(x.tobytes())
        for name in OUTPUTS:
            message.outputs.add(name=name)
        return message

    async def ask(self, content) -> tuple[str, dict, str]:
        """Status, arrays and the cascade's name."""
        try:
            answer = await self.stub.ModelInfer(content)
        except grpc.aio.AioRpcError as error:
            return error.code().name, {}, ""
        arrays = {}
        for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True):
            dtype = {"FP32": np.float32, "INT64": np.int64}[output.datatype]
            arrays[output.name] = np.frombuffer(raw, dtype).reshape(list(output.shape))
        return "200", arrays, answer.parameters["cascade"].string_param


async def one(caller, question: Question, tally: Tally, due: float) -> None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            status, arrays, cascade = await caller.ask(question.content)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        tally.lost += 1
        tally.statuses[type(error).__name__] += 1
        return
    tally.statuses[status] += 1
    if status == "200":
        tally.latencies_s.append(time.perf_counter() - due)
        tally.cascades[cascade] += 1
        check(tally, question, arrays, cascade)


async def closed(caller, asked: list[Question], options: dict, tally: Tally) -> None:
    end = time.perf_counter() + options["seconds"]

    async def client(number: int) -> None:
        turn = number
        while (now := time.perf_counter()) < end:
            turn += 1
            await one(caller, asked[turn % N_VARIANTS], tally, now)

    await asyncio.gather(*(client(number) for number in range(options["concurrency"])))


async def opened(caller, asked: list[Question], options: dict, tally: Tally) -> None:
    rng = np.random.default_rng(options.get("seed", 0))
    start = time.perf_counter()
    due, turn = start, 0
    tasks: set[asyncio.Task] = set()
    while (due := due + rng.exponential(1 / options["rate"])) < start + options["seconds"]:
        if (ahead := due - time.perf_counter()) > 0.0005:
            await asyncio.sleep(ahead)
        while len(tasks) >= MAX_CONNECTIONS:
            await asyncio.sleep(0.001)
        turn += 1
        task = asyncio.create_task(one(caller, asked[turn % N_VARIANTS], tally, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    while tasks:
        await asyncio.sleep(0.005)


async def main(options: dict) -> dict:
    caller = (GrpcCaller if options["url"].startswith("grpc") else HttpCaller)(options)
    asked, tally = questions(options, caller.encode), Tally()
    started, cpu = time.perf_counter(), time.process_time()
    await (opened if "rate" in options else closed)(caller, asked, options, tally)
    seconds = time.perf_counter() - started
    times = np.array(tally.latencies_s) * 1e3
    percentiles = {f"p{p}_ms": round(float(np.percentile(times, p)), 3) for p in (50, 90, 99, 100)}
    return {
        "sent": sum(tally.statuses.values()),
        "answered": len(times),
        "statuses": dict(tally.statuses),
        "in_time": int((times <= options.get("target_ms", math.inf)).sum()),
        "wrong": tally.wrong,
        "lost": tally.lost,
        "accuracy": tally.right / max(1, tally.rows),
        "cascades": dict(tally.cascades),
        "requests_per_s": round(len(times) / seconds, 1),
        "rows_per_s": round(tally.rows / seconds, 1),
        "seconds": round(seconds, 2),
        "client_cpu_share": round((time.process_time() - cpu) / seconds, 3),
        **(percentiles if len(times) else {}),
    }


if __name__ == "__main__":
    chosen = {"rows": 1, **json.loads(Path(sys.argv[1]).read_text())}
    run = uvloop.run if uvloop and chosen["url"].startswith("http") else asyncio.run
    print(json.dumps(run(main(chosen))))
