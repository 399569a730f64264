"""Every call over HTTP but inference, as an ASGI application asks it."""

import json
from contextlib import contextmanager
from multiprocessing.shared_memory import SharedMemory

import pytest
from asgi_client import ask
from small_service import request_of, with_service

from encas.serving.http.app import http_app
from encas.serving.http.body import BodyLimits
from encas.version import __version__


def limits():
    return BodyLimits(max_bytes=1000, max_bytes_together=2000, timeout_s=5.0)


def asked(method, path, body=b"", *, is_open=True, **options):
    """One answer of an application whose service is new."""

    async def work(service):
        return await ask(http_app(service, limits()), method, path, body, **options)

    return with_service(work, is_open=is_open)


def talk(work):
    """What `work` gives for a function that asks one application."""

    async def live(service):
        app = http_app(service, limits())

        async def send(method, path, values=None):
            body = b"" if values is None else json.dumps(values)
            return await ask(app, method, path, body)

        return await work(send, service)

    return with_service(live)


def value_of(answer):
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    return json.loads(answer.body)


def error_of(answer):
    assert answer.headers["content-type"] == "application/json"
    return answer.status, json.loads(answer.body)["error"]


@contextmanager
def shared_bytes(size):
    memory = SharedMemory(create=True, size=size)
    try:
        yield memory.name
    finally:
        memory.close()
        memory.unlink()


def test_health_is_live_at_once_and_ready_when_the_models_are():
    assert asked("GET", "/v2/health/live", is_open=False)[::2] == (200, b"")
    assert asked("GET", "/v2/health/ready")[::2] == (200, b"")
    answer = asked("GET", "/v2/health/ready", is_open=False)
    assert error_of(answer) == (503, "the server is not ready")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/models/echo/ready", 200),
        ("/v2/models/echo/versions/1/ready", 200),
        ("/v2/models/echo/versions/2/ready", 400),
        ("/v2/models/nonsense/ready", 400),
    ],
)
def test_model_is_ready_or_the_protocols_error(path, status):
    answer = asked("GET", path)
    assert answer.status == status
    assert status == 200 or error_of(answer) == (400, "Model version not ready")


def test_metadata_names_the_server_and_the_model():
    server = value_of(asked("GET", "/v2"))
    assert (server["name"], server["version"]) == ("encas", __version__)
    for path in ("/v2/models/echo", "/v2/models/echo/versions/1"):
        model = value_of(asked("GET", path))
        assert (model["name"], model["versions"]) == ("echo", ["1"])
        assert model["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 3]}]
        config = value_of(asked("GET", f"{path}/config"))
        assert (config["max_batch_size"], config["platform"]) == (4, "encas")


@pytest.mark.parametrize("ending", ["", "/config", "/stats"])
def test_model_that_is_none_gets_the_protocols_error(ending):
    status, message = error_of(asked("GET", f"/v2/models/nonsense{ending}"))
    assert (status, message) == (404, "Request for unknown model: 'nonsense' is not found")
    status, message = error_of(asked("GET", f"/v2/models/echo/versions/7{ending}"))
    assert (status, message.endswith("'echo' version 7 is not found")) == (404, True)


def test_statistics_are_those_of_one_model_or_of_all():
    async def work(send, service):
        await service.infer(request_of([0.6, 0.3, 0.1]), "http")
        paths = ("/v2/models/stats", "/v2/models/echo/stats", "/v2/models/echo/versions/1/stats")
        return [value_of(await send("GET", path)) for path in paths]

    for found in talk(work):
        (entry,) = found["model_stats"]
        assert (entry["name"], entry["inference_count"]) == ("echo", 1)


def test_paths_and_methods_that_are_none_get_the_protocols_error():
    assert asked("GET", "/nonsense")[::2] == (404, b'{"error": "Not Found"}')
    answer = asked("POST", "/v2")
    assert (answer.status, answer.body) == (405, b'{"error": "Method Not Allowed"}')
    assert "GET" in answer.headers["allow"]
    assert asked("GET", "/v2/nosharedmemory/status").status == 404
    assert asked("POST", "/v2/nosharedmemory/unregister").status == 404


def test_index_lists_the_models_and_on_demand_only_those_that_are_ready():
    async def work(send, _service):
        index = "/v2/repository/index"
        before = value_of(await send("POST", index))
        assert (await send("POST", "/v2/repository/models/echo/unload", {})).status == 200
        after = value_of(await send("POST", index, {"ready": False}))
        return before, after, value_of(await send("POST", index, {"ready": True}))

    before, after, ready = talk(work)
    assert before == [{"name": "echo", "version": "1", "state": "READY"}]
    assert [(entry["state"], entry["reason"]) for entry in after] == [("UNAVAILABLE", "unloaded")]
    assert ready == []


@pytest.mark.parametrize("ready", [1, "true", None])
def test_index_of_models_that_are_ready_in_other_words_is_refused(ready):
    answer = asked("POST", "/v2/repository/index", json.dumps({"ready": ready}))
    assert error_of(answer) == (400, "ready must be true or false")


def test_load_may_bring_other_thresholds():
    config = {"parameters": {"thresholds": {"string_value": "0.25"}}}

    async def work(send, service):
        path = "/v2/repository/models/echo/load"
        changed = await send("POST", path, {"parameters": {"config": json.dumps(config)}})
        shown = service.catalog.model("echo").face.cascade.thresholds
        back = await send("POST", path)
        return changed.status, shown, back.status, service.catalog.model("echo").face.cascade

    changed, shown, back, cascade = talk(work)
    assert (changed, shown, back, cascade.thresholds) == (200, (0.25,), 200, (0.5,))


@pytest.mark.parametrize(
    ("model", "values", "status", "fault"),
    [
        ("echo", {"parameters": {"file:1/x": "AA"}}, 501, "from the server's own bundle alone"),
        ("echo", {"parameters": []}, 200, ""),
        ("echo", {"parameters": ["config"]}, 501, "from the server's own bundle alone"),
        ("echo", {"parameters": {"config": {}}}, 400, "the config must be a string of JSON"),
        ("echo", {"parameters": {"config": "{"}}, 400, "failed to load 'echo'"),
        ("nonsense", {}, 400, "failed to load 'nonsense'"),
    ],
)
def test_load_of_anything_else_is_refused(model, values, status, fault):
    answer = asked("POST", f"/v2/repository/models/{model}/load", json.dumps(values))
    assert answer.status == status
    assert status == 200 or fault in error_of(answer)[1]


@pytest.mark.parametrize("path", ["/v2/trace/setting", "/v2/models/echo/trace/setting"])
def test_traces_are_off_and_stay_so(path):
    assert value_of(asked("GET", path))["trace_level"] == ["OFF"]
    assert value_of(asked("POST", path, '{"trace_level": ["OFF"]}'))["trace_rate"] == "1000"
    answer = asked("POST", path, '{"trace_level": ["TIMESTAMPS"]}')
    assert error_of(answer) == (501, "this server writes no traces")


def test_traces_of_a_model_that_is_none_are_refused():
    assert error_of(asked("GET", "/v2/models/nonsense/trace/setting"))[0] == 404


def test_log_settings_are_read_and_changed():
    async def work(send, service):
        before = value_of(await send("GET", "/v2/logging"))
        after = value_of(await send("POST", "/v2/logging", {"log_verbose_level": 1}))
        return before["log_verbose_level"], after["log_verbose_level"], service.logs.logs_requests

    assert talk(work) == (0, 1, True)
    assert error_of(asked("POST", "/v2/logging", '{"nonsense": 1}'))[0] == 400


def test_region_is_registered_shown_and_forgotten():
    async def work(send, _service):
        with shared_bytes(64) as key:
            base = "/v2/systemsharedmemory"
            values = {"key": f"/{key}", "byte_size": 32}
            assert (await send("POST", f"{base}/region/r/register", values)).status == 200
            more = {**values, "offset": 32}
            assert (await send("POST", f"{base}/region/s/register", more)).status == 200
            shown = [value_of(await send("GET", f"{base}{p}/status")) for p in ("", "/region/s")]
            assert (await send("POST", f"{base}/region/r/unregister")).status == 200
            left = value_of(await send("GET", f"{base}/status"))
            assert (await send("POST", f"{base}/unregister")).status == 200
            return key, shown, left, value_of(await send("GET", f"{base}/status"))

    key, (both, one), left, none = talk(work)
    assert both[0] == {"name": "r", "key": f"/{key}", "offset": 0, "byte_size": 32}
    assert both[1:] == one == left == [{**both[0], "name": "s", "offset": 32}]
    assert none == []


@pytest.mark.parametrize(
    "change",
    [
        {"key": None},
        {"key": 7},
        {"byte_size": None, "offset": -1},
        {"byte_size": True},
        {"byte_size": -1},
        {"byte_size": 2**63},
        {"byte_size": "8"},
        {"offset": 1.0},
        {"offset": True},
        {"offset": 2**63},
    ],
)
def test_region_that_is_none_is_refused(change):
    values = {"key": "/none", "byte_size": 8, "offset": 0, **change}
    path = "/v2/systemsharedmemory/region/r/register"
    status, message = error_of(asked("POST", path, json.dumps(values)))
    assert (status, message) == (400, "a region needs a key, a byte_size and perhaps an offset")


def test_region_of_nothing_or_of_no_object_is_refused():
    path = "/v2/systemsharedmemory/region/r/register"
    assert "at least a byte" in error_of(asked("POST", path, '{"key": "/none", "byte_size": 0}'))[1]
    largest = json.dumps({"key": "/none", "byte_size": 2**63 - 1, "offset": 0})
    assert "unable to open" in error_of(asked("POST", path, largest))[1]
    assert error_of(asked("GET", "/v2/systemsharedmemory/region/r/status"))[0] == 404


def test_cuda_regions_are_not_to_be_had():
    base = "/v2/cudasharedmemory"
    assert value_of(asked("GET", f"{base}/status")) == []
    assert error_of(asked("GET", f"{base}/region/r/status")) == (
        404,
        "unable to find CUDA shared memory region: 'r'",
    )
    assert error_of(asked("POST", f"{base}/region/r/register", "{}"))[0] == 501
    assert asked("POST", f"{base}/region/r/unregister").status == 200
    assert asked("POST", f"{base}/unregister").status == 200


def test_unregister_of_cuda_regions_leaves_those_of_the_system():
    async def work(send, service):
        with shared_bytes(8) as key:
            values = {"key": f"/{key}", "byte_size": 8}
            await send("POST", "/v2/systemsharedmemory/region/r/register", values)
            await send("POST", "/v2/cudasharedmemory/unregister")
            return len(service.memory.status())

    assert talk(work) == 1


def test_metrics_are_text_for_prometheus():
    answer = asked("GET", "/metrics")
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert b'encas_queue_rows{model="echo"} 0.0' in answer.body


def test_openapi_document_is_served():
    assert value_of(asked("GET", "/openapi.json"))["openapi"] == "3.1.0"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b" " * 999 + b"{", 400), (b" " * 1001, 413), (b"[]", 400), (b"x", 400)],
)
def test_body_that_is_no_short_json_object_is_refused(body, status):
    assert error_of(asked("POST", "/v2/repository/index", body))[0] == status


def test_client_that_hangs_up_is_given_up_without_an_error(caplog):
    assert asked("POST", "/v2/logging", b"{", hangs_up=True).status == 499
    assert caplog.records == []


def test_call_that_fails_tells_the_log_and_not_the_client(caplog):
    async def work(send, service):
        service.metrics.watch_queue("echo", lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            # Starlette answers, and raises again for the server that runs it.
            await send("GET", "/metrics")

    talk(work)
    (line,) = caplog.records
    assert (line.getMessage(), line.path, line.exc_info[0]) == (
        "request failed",
        "/metrics",
        ZeroDivisionError,
    )
