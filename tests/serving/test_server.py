"""A whole server in a process of its own, talked to over the network."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from http.client import HTTPSConnection
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from small_data import dataset_of
from tritonclient.utils import InferenceServerException
from view_bundle import views

from encas.runtime.loading import load
from encas.serving.load_client import ClientOptions, ask_server
from encas.serving.model_classes import served_classes
from encas.serving.server import ServerOptions, run_server
from encas.serving.server_url import ServerUrl
from encas.serving.service.network import NetworkOptions
from encas.serving.service.opening import ModelOptions
from encas.serving.service.queueing import QueueLimits

CONFORMANCE = Path(__file__).with_name("conformance.py")
SHAPE = [1, 4, 4]


def body_of(x, **values):
    tensor = {"name": "input", "datatype": "FP32", "shape": list(x.shape), "data": x.tolist()}
    return json.dumps({"inputs": [tensor], **values})


def infer(server, x, model="three", **headers):
    status, _, body = server.ask("POST", f"/v2/models/{model}/infer", body_of(x), headers)
    return status, json.loads(body)


def outputs(answer):
    return {tensor["name"]: np.array(tensor["data"]) for tensor in answer["outputs"]}


def metric(server, pattern):
    _, _, text = server.ask("GET", "/metrics")
    found = re.search(pattern + r" (\S+)$", text.decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize("model", ["three", "both"])
def test_tritonclient_finds_everything_it_may_expect(served, expected, expected_views, model):
    command = [sys.executable, CONFORMANCE, "--http", served.http, "--grpc", served.grpc]
    command += ["--model", model, "--expected", expected if model == "three" else expected_views]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    results = json.loads(done.stdout)
    failed = {key: what for key, what in results.items() if what != "ok"}
    assert failed == {
        "http.stream_infer": "skipped: HTTP has no streams",
        "grpc.infer_as_json": "skipped: gRPC has no JSON",
    }
    assert (done.returncode, len(results)) == (0, 46)


def test_answers_over_http_are_the_executors_for_every_cascade(served, bundles):
    x = np.random.default_rng(1).normal(0, 1, (16, *SHAPE)).astype(np.float32)
    for name in ("three", "two"):
        prediction = load(bundles / name)(x)
        status, answer = infer(served, x, name)
        assert (status, answer["parameters"]) == (200, {"cascade": name})
        found = outputs(answer)
        np.testing.assert_array_equal(found["label"], prediction.label)
        np.testing.assert_array_equal(found["stage"], prediction.stage)
        confidence = prediction.probabilities.max(axis=1)
        np.testing.assert_allclose(found["confidence"], confidence, atol=1e-6)


def test_many_clients_at_once_get_their_own_answers(served, expected):
    data = dict(np.load(expected))
    failures = []

    def ask(seed):
        rng = np.random.default_rng(seed)
        library = (tritonclient.http, tritonclient.grpc)[seed % 2]
        client = library.InferenceServerClient((served.http, served.grpc)[seed % 2])
        for _ in range(40):
            rows = rng.integers(0, 40, rng.integers(1, 9))
            tensor = library.InferInput("input", [len(rows), *SHAPE], "FP32")
            tensor.set_data_from_numpy(data["x"][rows])
            result = client.infer("three", [tensor])
            if not np.array_equal(result.as_numpy("label").ravel(), data["label"][rows]):
                failures.append((seed, rows))
        client.close()

    before = metric(served, r'encas_batch_rows_count{model="three"}')
    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    n_batches = metric(served, r'encas_batch_rows_count{model="three"}') - before
    assert 0 < n_batches <= 240


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_client_sends_every_input_and_learns_labels_stages_and_classes(
    served, view_bundles, protocol
):
    x = views(40, seed=4)
    prediction = load(view_bundles / "both")(x)
    data = dataset_of(x["input"], further={"input_2": dataset_of(x["input_2"])})
    url = ServerUrl.parse(f"{protocol}://{getattr(served, protocol)}")
    options = ClientOptions(model="both", batch_size=3, concurrency=4)
    report = ask_server(url, data, options)
    assert report.refusals == {}
    np.testing.assert_array_equal(report.label, prediction.label)
    np.testing.assert_array_equal(report.stage, prediction.stage)
    assert served_classes(url, options, model="both", dataset=data).names == ("ant", "bee", "cat")
    alone = ask_server(url, dataset_of(x["input"]), options)
    (reason,) = alone.refusals
    assert "expected 2 inputs but got 1 for model 'both' (missing: 'input_2')" in reason


def test_front_of_different_inputs_answers_over_http(server, view_bundles):
    folders = [view_bundles / name for name in ("both", "small", "other")]
    running = server(*folders, "--policy", "slo", "--p99-ms", 5000, "--max-batch-size", 8)
    status, _, body = running.ask("GET", "/v2/models/front")
    sizes = {item["name"]: item["shape"][-1] for item in json.loads(body)["inputs"]}
    assert (status, set(sizes.values()), len(sizes)) == (200, {4, 6, 8}, 3)
    by_size = dict(zip((4, 6, 8), views(5, (4, 6, 8)).values(), strict=True))
    tensors = [
        {"name": name, "datatype": "FP32", "shape": [5, 1, size, size]}
        | {"data": by_size[size].ravel().tolist()}
        for name, size in sizes.items()
    ]
    status, _, body = running.ask("POST", "/v2/models/front/infer", json.dumps({"inputs": tensors}))
    answer = json.loads(body)
    assert status == 200, answer
    chosen = answer["parameters"]["cascade"]
    own = {"both": (4, 6), "small": (4,), "other": (6, 8)}[chosen]
    given = {name: by_size[size] for name, size in zip(("input", "input_2"), own, strict=False)}
    prediction = load(view_bundles / chosen)(given)
    np.testing.assert_array_equal(outputs(answer)["stage"], prediction.stage)


def test_metrics_count_requests_exits_and_batches(served):
    pattern = r'encas_exits_total{cascade="two",model="two",stage="%d"}'
    before = [metric(served, pattern % stage) for stage in (1, 2)]
    x = np.random.default_rng(2).normal(0, 1, (10, *SHAPE)).astype(np.float32)
    stage = outputs(infer(served, x, "two")[1])["stage"]
    after = [metric(served, pattern % stage) for stage in (1, 2)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [
        (stage == 1).sum(),
        (stage == 2).sum(),
    ]
    ok = r'encas_request_seconds_count{model="two",outcome="ok",protocol="http"}'
    assert metric(served, ok) >= 1
    assert metric(served, r'encas_queue_rows{model="two"}') == 0
    refused = r'encas_request_seconds_count{model="",outcome="not_found",protocol="http"}'
    before = metric(served, refused)
    infer(served, x, "nonsense")
    assert metric(served, refused) == before + 1


def test_sigterm_answers_what_was_accepted_and_ends(server, bundle):
    running = server(bundle, "--max-delay-ms", 3_600_000, "--max-batch-size", 64)
    answers = []
    x = np.zeros((1, *SHAPE), np.float32)
    asking = threading.Thread(target=lambda: answers.append(infer(running, x)))
    asking.start()
    while metric(running, r'encas_queue_rows{model="three"}') < 1:
        assert running.process.poll() is None
    assert running.end() == 0
    asking.join(10)
    assert [status for status, _ in answers] == [200]
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    messages = ["starting", "loading", "ready", "draining", "ended"]
    assert [line["message"] for line in lines] == messages
    assert (lines[0]["models"], lines[1]["model"]) == (["three"], "three")
    with pytest.raises(ConnectionRefusedError):
        running.ask("GET", "/v2")


PART = b"POST /v2/models/three/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"


def test_request_that_never_ends_does_not_keep_the_server_alive(server, bundle):
    running = server(bundle, "--drain-s", 1)
    with socket.create_connection((running.host, running.http_port), timeout=20) as link:
        link.sendall(PART)
        # Whoever is answered came later: the part is there.
        assert running.ask("GET", "/v2/health/live")[0] == 200
        assert running.end() == 0
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    (late,) = (line for line in lines if line["message"] == "requests were still running")
    assert late["drain_s"] == 1


def test_second_signal_ends_at_once(server, bundle):
    running = server(bundle)
    with socket.create_connection((running.host, running.http_port), timeout=20) as link:
        link.sendall(PART)
        assert running.ask("GET", "/v2/health/live")[0] == 200
        running.process.send_signal(signal.SIGTERM)
        while "draining" not in running.log.read_text():
            assert running.process.poll() is None
        assert running.end() == -signal.SIGTERM


def test_full_queue_is_429_and_nothing_is_lost(server, bundle):
    running = server(
        bundle, "--max-delay-ms", 300, "--max-batch-size", 2, "--max-queue", 2, "--log-requests"
    )
    statuses = []
    x = np.zeros((1, *SHAPE), np.float32)
    threads = [
        threading.Thread(target=lambda: statuses.append(infer(running, x)[0])) for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(statuses) == 40
    assert set(statuses) <= {200, 429}
    assert 200 in statuses
    assert running.end() == 0
    logged = [json.loads(line) for line in running.log.read_text().splitlines()]
    requests = [line for line in logged if line["message"] == "request"]
    assert sorted(line["status"] for line in requests) == sorted(statuses)


def test_bearer_token_is_needed_for_everything_but_health(server, bundle, tmp_path):
    token = "0123456789abcdef0123"
    (tmp_path / "token").write_text(token + "\n")
    running = server(bundle, "--token-file", tmp_path / "token")
    bearer = {"Authorization": f"Bearer {token}"}
    x = np.zeros((1, *SHAPE), np.float32)
    assert running.ask("GET", "/v2/health/ready")[0] == 200
    for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": token}):
        status, found, _ = running.ask("GET", "/v2", headers=headers)
        assert (status, found["www-authenticate"]) == (401, "Bearer")
        assert infer(running, x, **headers)[0] == 401
    assert infer(running, x, **bearer)[0] == 200
    assert running.ask("GET", "/metrics")[0] == 401
    client = tritonclient.grpc.InferenceServerClient(running.grpc)
    assert client.is_server_ready()
    for headers in ({}, {"authorization": "Bearer no"}):
        with pytest.raises(InferenceServerException, match="bearer token"):
            client.get_server_metadata(headers)
    assert client.get_server_metadata({"authorization": f"Bearer {token}"}).name == "encas"
    client.close()


def test_tls_protects_both_protocols(server, bundle, encas, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here to make a certificate")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    certificate = tmp_path / "cert.pem"
    running = server(bundle, "--tls-cert", certificate, "--tls-key", tmp_path / "key.pem")
    context = ssl.create_default_context(cafile=str(certificate))
    connection = HTTPSConnection(running.host, running.http_port, context=context, timeout=20)
    connection.request("GET", "/v2")
    assert json.loads(connection.getresponse().read())["name"] == "encas"
    connection.close()
    client = tritonclient.grpc.InferenceServerClient(
        running.grpc, ssl=True, root_certificates=str(certificate)
    )
    assert client.get_server_metadata().name == "encas"
    client.close()
    np.savez(tmp_path / "data.npz", x=np.zeros((3, *SHAPE), np.float32), label=np.zeros(3, int))
    for url in (f"https://{running.http}", f"grpcs://{running.grpc}"):
        arguments = ("client", url, "--data", f"npz:{tmp_path / 'data.npz'}", "--json")
        assert encas(*arguments, "--tls-ca", certificate).json["n_answered"] == 3
        ran = encas(*arguments)
        assert (ran.code, "cannot be asked" in ran.err) == (1, True)


def test_bundle_that_cannot_be_loaded_ends_the_server_with_one_line(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "broken")
    (tmp_path / "broken" / "members" / "m1.onnx").write_bytes(b"nonsense")
    command = [sys.executable, "-m", "encas", "serve", tmp_path / "broken"]
    command += ["--http-port", "0", "--grpc-port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"^Error: .*m1.onnx: expected \d+ bytes, got 8$", done.stderr, re.MULTILINE)


@pytest.mark.usefixtures("ctrl_c")
def test_sigint_that_a_background_job_ignores_does_not_end_the_server(bundle, server):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running = server(bundle)
    running.process.send_signal(signal.SIGINT)
    assert running.ask("GET", "/v2/health/live")[0] == 200
    assert running.end() == 0


class Signalled(ServerOptions):
    """Options of a server that is told to end while its one model loads, which takes for ever."""

    def openers(self):
        async def open_it(_bundles, _override):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()

        return {"slow": open_it}


def test_sigterm_while_models_load_ends_the_server(capsys):
    options = Signalled(
        sources=(),
        models=ModelOptions(limits=QueueLimits(max_batch_size=1, max_queue_rows=1)),
        network=NetworkOptions(http_port=0, grpc_port=None, drain_s=5),
    )
    addresses = []
    run_server(options, on_ready=addresses.append)
    lines = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert (addresses, lines) == ([], ["starting", "loading", "draining", "ended"])
