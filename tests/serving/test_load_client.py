"""The client that measures servers, on one server of a small model in a thread."""

import asyncio
import queue
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from small_data import dataset_of
from small_service import LIMITS, SURE, UNSURE, with_service

from encas.data.dataset import Dataset
from encas.errors import ServingError
from encas.serving.grpc.grpc_listener import GrpcListener
from encas.serving.http.http_listener import HttpListener
from encas.serving.load_client import ClientOptions, ClientReport, ask_server
from encas.serving.server_url import ServerUrl
from encas.serving.service.network import NetworkOptions
from encas.serving.service.tokens import BearerToken

TOKEN = "0123456789abcdef"
X = np.array([SURE, UNSURE, [0.1, 0.2, 0.7], UNSURE, SURE], np.float32)
LABEL, STAGE = [0, 0, 2, 0, 0], [1, 2, 1, 2, 1]


@pytest.fixture(scope="module")
def small():
    """HTTP and gRPC of a server whose one model is `echo`, behind a token."""
    told = queue.SimpleQueue()

    async def work(service):
        options = NetworkOptions(http_port=0, grpc_port=0, token=BearerToken(TOKEN), drain_s=1)
        http, grpc = HttpListener(service, options), GrpcListener(service, options)
        await http.start()
        await grpc.start()
        end, loop = asyncio.Event(), asyncio.get_running_loop()
        told.put((http.port, grpc.port, lambda: loop.call_soon_threadsafe(end.set)))
        await end.wait()
        await http.stop()
        await grpc.stop(0)

    thread = threading.Thread(target=with_service, args=(work,))
    thread.start()
    http_port, grpc_port, stop = told.get(timeout=20)
    yield SimpleNamespace(
        http=f"http://127.0.0.1:{http_port}", grpc=f"grpc://127.0.0.1:{grpc_port}"
    )
    stop()
    thread.join(20)


def asked(url, x=X, *, on_progress=lambda _n: None, **values):
    options = ClientOptions(**{"token": TOKEN, **values})
    return ask_server(ServerUrl.parse(url), dataset_of(x), options, on_progress=on_progress)


@pytest.mark.parametrize("name", ["batch_size", "concurrency"])
def test_options_of_nothing_are_refused(name):
    assert getattr(ClientOptions(**{name: 1}), name) == 1
    with pytest.raises(ServingError, match="batch size and concurrency must be at least 1"):
        ClientOptions(**{name: 0})


def test_time_to_wait_below_zero_is_refused():
    with pytest.raises(ServingError, match="the time to wait must be at least 0 s, got -1"):
        ClientOptions(wait_s=-1)


def test_authorities_must_be_a_file(tmp_path):
    with pytest.raises(ServingError, match="no such file"):
        ClientOptions(authorities=tmp_path)


def test_token_goes_along_only_where_there_is_one():
    assert ClientOptions().headers == {}
    assert ClientOptions(token="t").headers == {"authorization": "Bearer t"}


def test_report_counts_exits_and_knows_percentiles():
    report = ClientReport(
        model="m",
        label=np.array([1, -1, 0]),
        stage=np.array([2, 0, 2]),
        latency_s=np.array([0.001, 0.003]),
        wall_s=1.0,
        cascades={},
        refusals={},
    )
    assert report.exits == {2: 2}
    assert [report.latency_ms(p) for p in (0, 50, 100)] == pytest.approx([1.0, 2.0, 3.0])


def test_report_of_no_answers_has_no_latency():
    none = np.zeros(0)
    report = ClientReport(
        model="m",
        label=none,
        stage=none,
        latency_s=none,
        wall_s=1.0,
        cascades={},
        refusals={},
    )
    assert report.exits == {}
    assert np.isnan(report.latency_ms(50))


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize(("batch_size", "n_requests"), [(1, 5), (2, 3), (4, 2)])
def test_every_sample_is_asked_once_by_any_number_of_threads(
    small, protocol, batch_size, n_requests
):
    for concurrency in (1, 3):
        seen = []
        report = asked(
            getattr(small, protocol),
            batch_size=batch_size,
            concurrency=concurrency,
            on_progress=seen.append,
        )
        assert (report.model, report.label.tolist(), report.stage.tolist()) == (
            "echo",
            LABEL,
            STAGE,
        )
        assert (report.cascades, report.refusals) == ({"echo": n_requests}, {})
        assert report.exits == {1: 3, 2: 2}
        assert len(report.latency_s) == n_requests
        assert 0 < report.latency_s.max() <= report.wall_s
        told = [progress.done for progress in seen]
        assert (told == sorted(told), told[-1]) == (True, 5)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_requests_that_are_refused_are_counted_and_leave_no_labels(small, protocol):
    report = asked(getattr(small, protocol), batch_size=LIMITS.max_batch_size + 1)
    assert (report.label.tolist(), report.stage.tolist()) == ([-1] * 5, [0] * 5)
    ((reason, count),) = report.refusals.items()
    assert (count, "batch-size must be from 1 to 4 for 'echo', got 5" in reason) == (1, True)
    assert np.isnan(report.latency_ms(99))


def test_no_samples_are_no_requests(small):
    report = asked(small.http, X[:0])
    assert (len(report.label), len(report.latency_s), report.refusals) == (0, 0, {})


def test_model_that_is_none_names_the_choice(small):
    assert asked(small.http, model="echo").model == "echo"
    fault = r"127.0.0.1:\d+: choose one of its models with --model: echo"
    with pytest.raises(ServingError, match=fault):
        asked(small.grpc, model="other")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_server_that_wants_another_token_cannot_be_asked(small, protocol):
    with pytest.raises(ServingError, match="cannot be asked: .*bearer token"):
        asked(getattr(small, protocol), token=None)


@pytest.mark.parametrize("url", ["127.0.0.1:1", "grpc://127.0.0.1:1"])
def test_server_that_is_not_there_cannot_be_asked(url):
    with pytest.raises(ServingError, match="127.0.0.1:1: cannot be asked"):
        asked(url)


def test_data_that_cannot_be_read_ends_every_thread(small):
    def fail(_rows):
        raise OSError("the disk is gone")

    dataset = dataset_of(X)
    broken = Dataset(name="it", label=dataset.label, sample_shape=(3,), dtype="float32", read=fail)
    options = ClientOptions(token=TOKEN, concurrency=3)
    with pytest.raises(OSError, match="the disk is gone"):
        ask_server(ServerUrl.parse(small.http), broken, options)
