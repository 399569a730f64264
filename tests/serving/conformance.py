"""What tritonclient may expect of a server, checked call by call over HTTP and gRPC.

    python conformance.py --http HOST:PORT --grpc HOST:PORT --model NAME --expected FILE.npz

FILE.npz holds x [n, ...], label [n], stage [n] and probabilities [n, n_classes]: samples and what
the model answers; and x_2, x_3, ... where it has the inputs input_2, input_3, ..., too. The script
knows no server: it runs unchanged against any that speaks the protocol. It prints a JSON object of
check -> "ok", "skipped: why" or what went wrong, and exits 1 if anything did.
"""

import argparse
import asyncio
import json
import queue
import sys
import time
import uuid

import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from conformance_client import TOLERANCE, Context, NotHere, Samples, equal, numbers
from tritonclient.utils import shared_memory

DEADLINE_S = 20.0
CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


@check
def health(c):
    assert c.client.is_server_live()
    assert c.client.is_server_ready()
    assert c.client.is_model_ready(c.model)
    assert c.client.is_model_ready(c.model, "1")
    assert not c.client.is_model_ready("no_such_model")
    assert not c.client.is_model_ready(c.model, "7")


@check
def server_metadata(c):
    metadata = c.json(c.client.get_server_metadata)
    assert metadata["name"]
    assert metadata["version"]
    assert {"classification", "model_repository", "statistics"} <= set(metadata["extensions"])
    if c.is_http:
        assert "binary_tensor_data" in metadata["extensions"]


@check
def model_metadata(c):
    metadata = c.json(c.client.get_model_metadata)
    assert metadata["name"] == c.model
    assert metadata["versions"] == ["1"]
    shapes = {t["name"]: (t["datatype"], t["shape"]) for t in metadata["inputs"]}
    assert shapes == {n: ("FP32", [-1, *x.shape[1:]]) for n, x in c.x.arrays.items()}
    shapes = {t["name"]: (t["datatype"], t["shape"]) for t in metadata["outputs"]}
    n_classes = c.probabilities.shape[1]
    assert shapes["probabilities"] == ("FP32", [-1, n_classes])
    assert shapes["label"] == shapes["stage"] == ("INT64", [-1, 1])
    c.refused(lambda: c.client.get_model_metadata("no_such_model"), "not found", "unknown model")
    c.refused(lambda: c.client.get_model_metadata(c.model, "7"), "not found")


@check
def model_config(c):
    config = c.json(c.client.get_model_config, "config")
    assert config["name"] == c.model
    assert config["max_batch_size"] >= 1
    assert {t["name"]: t["dims"] for t in config["input"]} == {
        name: list(x.shape[1:]) for name, x in c.x.arrays.items()
    }
    assert {"probabilities", "label", "stage"} <= {t["name"] for t in config["output"]}
    c.refused(lambda: c.client.get_model_config("no_such_model"), "not found", "unknown model")


@check
def infer(c):
    for n in {1, 3, c.max_batch_size}:
        c.check(c.infer(c.x[:n]), slice(0, n))


@check
def infer_every_sample(c):
    for start in range(len(c.x)):
        c.check(c.infer(c.x[start : start + 1]), slice(start, start + 1))


@check
def infer_as_json(c):
    if not c.is_http:
        raise NotHere("gRPC has no JSON")
    names = ("probabilities", "label", "stage")
    outputs = [c.output(name, binary=False) for name in names]
    tensors = c.inputs(c.x[:3], binary_data=False)
    result = c.client.infer(c.model, tensors, outputs=outputs)
    c.check(result, slice(0, 3))
    assert "data" in result.get_response()["outputs"][0]
    outputs = [c.output("probabilities"), c.output("label", binary=False), c.output("stage")]
    c.check(c.client.infer(c.model, tensors, outputs=outputs), slice(0, 3))


@check
def infer_some_outputs(c):
    result = c.infer(c.x[:2], outputs=[c.output("label")])
    equal(result.as_numpy("label").ravel(), c.label[:2])
    assert result.as_numpy("probabilities") is None


@check
def infer_classes(c):
    result = c.infer(c.x[:2], outputs=[c.output("probabilities", class_count=2)])
    texts = result.as_numpy("probabilities")
    assert texts.shape == (2, 2)
    for row in range(2):
        score, index, *_ = texts[row, 0].decode().split(":")
        assert int(index) == c.label[row]
        assert abs(float(score) - c.probabilities[row].max()) < 1e-4


@check
def request_id(c):
    result = c.infer(c.x[:1], request_id="a b/ü")
    response = result.get_response()
    assert (response["id"] if c.is_http else response.id) == "a b/ü"


@check
def compression(c):
    n = c.max_batch_size
    for name in ("gzip", "deflate"):
        options = {"compression_algorithm": name}
        if c.is_http:
            options = {f"{way}_compression_algorithm": name for way in ("request", "response")}
        c.check(c.infer(c.x[:n], **options), slice(0, n))


@check
def async_infer(c):
    if c.is_http:
        client = c.library.InferenceServerClient(c.address, concurrency=8)
        waiting = [client.async_infer(c.model, c.inputs(c.x[i : i + 1])) for i in range(16)]
        for i, request in enumerate(waiting):
            c.check(request.get_result(timeout=DEADLINE_S), slice(i, i + 1))
        client.close()
        return
    answers = queue.Queue()
    for i in range(16):
        c.client.async_infer(
            c.model,
            c.inputs(c.x[i : i + 1]),
            lambda result, error, i=i: answers.put((i, result, error)),
        )
    for _ in range(16):
        i, result, error = answers.get(timeout=DEADLINE_S)
        assert error is None, error
        c.check(result, slice(i, i + 1))


@check
def asyncio_client(c):
    async def ask():
        library = tritonclient.http.aio if c.is_http else tritonclient.grpc.aio
        async with library.InferenceServerClient(c.address) as client:
            assert await client.is_server_ready()
            requests = [c.inputs(c.x[i : i + 1]) for i in range(8)]
            return await asyncio.gather(*(client.infer(c.model, r) for r in requests))

    for i, result in enumerate(asyncio.run(asyncio.wait_for(ask(), DEADLINE_S))):
        c.check(result, slice(i, i + 1))


@check
def stream_infer(c):
    if c.is_http:
        raise NotHere("HTTP has no streams")
    answers = queue.Queue()
    client = c.library.InferenceServerClient(c.address)
    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(8):
        client.async_stream_infer(c.model, c.inputs(c.x[i : i + 1]), request_id=str(i))
    client.async_stream_infer("no_such_model", c.inputs(c.x[:1]))
    client.async_stream_infer(
        c.model, c.inputs(c.x[8:9]), request_id="8", enable_empty_final_response=True
    )
    seen, refusals = set(), 0
    for _ in range(10):
        result, error = answers.get(timeout=DEADLINE_S)
        if error is not None:
            refusals += 1
            continue
        i = int(result.get_response().id)
        c.check(result, slice(i, i + 1))
        seen.add(i)
    client.stop_stream()
    client.close()
    assert (seen, refusals) == (set(range(9)), 1)


@check
def refusals(c):
    x, client, model = c.x[:1], c.client, c.model
    first, others = x.arrays["input"], c.inputs(x)[1:]
    doubles = c.library.InferInput("input", list(first.shape), "FP64")
    doubles.set_data_from_numpy(first.astype(np.float64))
    too_many = x[np.zeros(c.max_batch_size + 1, int)]
    c.refused(lambda: client.infer("no_such_model", c.inputs(x)), "not found", "unknown")
    c.refused(lambda: client.infer(model, c.inputs(x), model_version="7"), "not found")
    c.refused(lambda: client.infer(model, [doubles, *others]), "data-type", "data type")
    named = [c.tensor("inputs", first), *others]
    c.refused(lambda: client.infer(model, named), "unexpected inference input")
    flat = [c.tensor("input", first.reshape(1, -1)), *others]
    c.refused(lambda: client.infer(model, flat), "shape")
    c.refused(lambda: c.infer(too_many), "batch-size")
    c.refused(lambda: client.infer(model, []), f"expected {len(x.arrays)} input")
    c.refused(lambda: c.infer(x, outputs=[c.output("nonsense")]), "unexpected inference output")
    for i in range(len(x.arrays) if others else 0):
        _refuses_without(c, i)
    c.check(c.infer(x), slice(0, 1))


def _refuses_without(c, i):
    """Whether a request is refused that lacks an input, or has more rows of it than of others."""
    tensors = c.inputs(c.x[:1])
    lacking, more = tensors[:i] + tensors[i + 1 :], c.inputs(c.x[:2])
    c.refused(lambda: c.client.infer(c.model, lacking), f"expected {len(tensors)} inputs")
    uneven = [more[i] if j == i else tensor for j, tensor in enumerate(tensors)]
    c.refused(lambda: c.client.infer(c.model, uneven), "batch size")


@check
def truncated_tensor(c):
    for i in range(len(c.x.arrays)):
        tensors = c.inputs(c.x[:2])
        tensor = tensors[i]
        content = c.x[:2].arrays[tensor.name()].tobytes()[:-4]
        tensor._raw_data = tensor._raw_content = content
        if c.is_http:
            tensor._parameters["binary_data_size"] = len(content)
        c.refused(lambda tensors=tensors: c.client.infer(c.model, tensors), "byte size", "size")


@check
def statistics(c):
    def counts():
        values = c.client.get_inference_statistics(
            c.model, **({} if c.is_http else {"as_json": True})
        )
        entry = numbers(values)["model_stats"][0]
        assert entry["name"] == c.model
        stats = entry["inference_stats"]
        return stats["success"]["count"], entry["inference_count"], stats["success"].get("ns", 0)

    requests, rows, ns = counts()
    for _ in range(3):
        c.infer(c.x[:2])
    _until(lambda: counts()[:2] == (requests + 3, rows + 6), counts)
    assert counts()[2] > ns
    everything = c.client.get_inference_statistics(**({} if c.is_http else {"as_json": True}))
    assert c.model in [entry["name"] for entry in everything["model_stats"]]
    c.refused(lambda: c.client.get_inference_statistics("no_such_model"))


@check
def repository(c):
    states = _states(c)
    assert states[c.model] == "READY"
    c.refused(lambda: c.client.load_model("no_such_model"), "failed to load")
    c.client.unload_model(c.model)
    _until(lambda: _states(c)[c.model] == "UNAVAILABLE", lambda: _states(c))
    assert not c.client.is_model_ready(c.model)
    c.refused(lambda: c.infer(c.x[:1]), "unknown model", "no available versions")
    c.client.load_model(c.model)
    _until(lambda: c.client.is_model_ready(c.model), lambda: _states(c))
    c.check(c.infer(c.x[:2]), slice(0, 2))


@check
def thresholds_without_a_new_bundle(c):
    config = c.json(c.client.get_model_config, "config")
    text = config["parameters"]["thresholds"]["string_value"]
    n_thresholds = len(text.split(","))
    for value, stages in (("0", {1}), ("1", {n_thresholds + 1})):
        config["parameters"]["thresholds"]["string_value"] = ",".join([value] * n_thresholds)
        c.client.load_model(c.model, config=json.dumps(config))
        _until(lambda: c.client.is_model_ready(c.model), lambda: _states(c))
        result = c.infer(c.x[: c.max_batch_size])
        assert set(result.as_numpy("stage").ravel()) == stages
    config["parameters"]["thresholds"]["string_value"] = text
    c.client.load_model(c.model, config=json.dumps(config))
    _until(lambda: c.client.is_model_ready(c.model), lambda: _states(c))
    c.check(c.infer(c.x[:2]), slice(0, 2))


@check
def system_shared_memory(c):
    arrays, n_classes = c.x[:2].arrays, c.probabilities.shape[1]
    n_bytes, x_bytes = 2 * n_classes * 4, sum(x.nbytes for x in arrays.values())
    name = f"/encas_{uuid.uuid4().hex[:12]}"
    region = shared_memory.create_shared_memory_region("all", name, x_bytes + n_bytes)
    try:
        shared_memory.set_shared_memory_region(region, list(arrays.values()))
        c.client.unregister_system_shared_memory()
        c.client.register_system_shared_memory("all", name, x_bytes + n_bytes)
        tensors, offset = [], 0
        for key, x in arrays.items():
            tensors.append(c.library.InferInput(key, list(x.shape), "FP32"))
            tensors[-1].set_shared_memory("all", x.nbytes, offset=offset)
            offset += x.nbytes
        output = c.output("probabilities")
        output.set_shared_memory("all", n_bytes, offset=x_bytes)
        outputs = [output, c.output("label")]
        result = c.client.infer(c.model, tensors, outputs=outputs)
        equal(result.as_numpy("label").ravel(), c.label[:2])
        answer = shared_memory.get_contents_as_numpy(
            region, np.float32, [2, n_classes], offset=x_bytes
        )
        assert np.abs(answer - c.probabilities[:2]).max() <= TOLERANCE
        status = c.client.get_system_shared_memory_status()
        assert "all" in (str(status) if c.is_http else list(status.regions))
        c.refused(lambda: c.client.register_system_shared_memory("x", "/no_such_key", 8), "unable")
        c.refused(lambda: c.client.get_system_shared_memory_status("nope"), "unable to find")
        c.client.unregister_system_shared_memory("all")
        c.refused(lambda: c.client.infer(c.model, tensors), "unable to find")
    finally:
        c.client.unregister_system_shared_memory()
        shared_memory.destroy_shared_memory_region(region)


@check
def cuda_shared_memory(c):
    c.client.get_cuda_shared_memory_status()
    c.client.unregister_cuda_shared_memory("nope")
    c.client.unregister_cuda_shared_memory()
    handle = b"AAAA" * 22
    c.refused(lambda: c.client.register_cuda_shared_memory("x", handle, 0, 8))


@check
def trace_settings(c):
    for name in ("", c.model):
        settings = c.client.get_trace_settings(name)
        text = str(settings)
        assert "trace_level" in text
        assert "OFF" in text
    c.client.update_trace_settings(settings={"trace_level": ["OFF"]})
    c.refused(lambda: c.client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]}))


@check
def log_settings(c):
    settings = str(c.client.get_log_settings())
    assert "log_verbose_level" in settings
    updated = c.client.update_log_settings({"log_info": True, "log_verbose_level": 0})
    assert "log_info" in str(updated)


def _states(c):
    index = c.client.get_model_repository_index()
    if c.is_http:
        return {model["name"]: model["state"] for model in index}
    return {model.name: model.state for model in index.models}


def _until(condition, describe):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"after {DEADLINE_S:g} s: {describe()}"
        time.sleep(0.05)


def run(context, skips):
    results = {}
    for name, function in CHECKS.items():
        key = f"{'http' if context.is_http else 'grpc'}.{name}"
        if name in skips:
            results[key] = f"skipped: {skips[name]}"
            continue
        try:
            function(context)
            results[key] = "ok"
        except NotHere as reason:
            results[key] = f"skipped: {reason}"
        except Exception as error:
            results[key] = f"{type(error).__name__}: {error}"
    return results


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", required=True)
    parser.add_argument("--grpc", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--expected", required=True)
    parser.add_argument("--skip", action="append", default=[], metavar="CHECK=WHY")
    options = parser.parse_args(arguments)
    expected = np.load(options.expected, allow_pickle=False)
    values = {key: expected[key] for key in ("label", "stage", "probabilities")}
    arrays = {f"input{key[1:]}": expected[key] for key in expected.files if key[0] == "x"}
    values["x"] = Samples(arrays)
    skips = dict(skip.split("=", 1) for skip in options.skip)
    results = {}
    for library, address in ((tritonclient.http, options.http), (tritonclient.grpc, options.grpc)):
        client = library.InferenceServerClient(address)
        results |= run(Context(library, client, address, options.model, **values), skips)
        client.close()
    print(json.dumps(results, indent=2))
    return int(any(r != "ok" and not r.startswith("skipped") for r in results.values()))


if __name__ == "__main__":
    sys.exit(main())
