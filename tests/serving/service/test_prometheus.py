import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from encas.serving.service.prometheus import CONTENT_TYPE, Metrics
from encas.serving.service.request_batch import NO_STAGES, BatchReport


def read(metrics):
    """(name, labels without those of buckets) -> value, and "le" of the histograms."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def key(name, **labels):
    return name, tuple(sorted(labels.items()))


def report_of(**values):
    given = {"cascade": "c", "rows": (1, 2), "waited_s": (0.25, 0.5), "gather_s": 0.0}
    stage = np.array([1, 1, 3])
    return BatchReport(**{**given, "run_s": 0.125, "stage": stage, **values})


def test_batch_is_counted_by_rows_times_and_stages():
    metrics = Metrics()
    metrics.add_batch("m", report_of())
    metrics.add_batch("m", report_of())
    found = read(metrics)
    exits = {k[1]: v for k, v in found.items() if k[0] == "encas_exits_total"}
    assert exits == {
        key("", cascade="c", model="m", stage="1")[1]: 4.0,
        key("", cascade="c", model="m", stage="3")[1]: 2.0,
    }
    assert found[key("encas_batch_rows_sum", model="m")] == 6
    assert found[key("encas_batch_rows_count", model="m")] == 2
    assert found[key("encas_batch_seconds_sum", model="m", cascade="c")] == 0.25
    assert found[key("encas_queue_seconds_count", model="m")] == 4
    assert found[key("encas_queue_seconds_sum", model="m")] == 1.5


def test_batch_of_a_bound_lies_within_it():
    metrics = Metrics()
    metrics.add_batch("m", report_of(rows=(4,), stage=np.ones(4, np.int64), waited_s=(0.0,)))
    found = read(metrics)
    counts = [found[key("encas_batch_rows_bucket", model="m", le=le)] for le in ("2.0", "4.0")]
    assert counts == [0, 1]


def test_batch_that_failed_is_no_run():
    metrics = Metrics()
    metrics.add_batch("m", report_of(failure=ValueError("x"), stage=NO_STAGES))
    found = read(metrics)
    assert found[key("encas_batch_failures_total", model="m", cascade="c")] == 1
    assert found[key("encas_queue_seconds_count", model="m")] == 2
    assert not [name for name, _ in found if name.startswith(("encas_batch_rows", "encas_exits"))]


def test_requests_are_counted_by_model_protocol_and_outcome():
    metrics = Metrics()
    for protocol, outcome in (("http", "ok"), ("http", "ok"), ("grpc", "ok"), ("http", "expired")):
        metrics.add_request("m", protocol, outcome, 0.5)
    found = read(metrics)
    counts = [
        found[key("encas_request_seconds_count", model="m", protocol=protocol, outcome=outcome)]
        for protocol, outcome in (("http", "ok"), ("grpc", "ok"), ("http", "expired"))
    ]
    assert counts == [2, 1, 1]
    labels = {"model": "m", "protocol": "http", "outcome": "ok"}
    assert found[key("encas_request_seconds_sum", **labels)] == 1.0


def test_queue_is_asked_whenever_the_metrics_are_read_until_it_is_forgotten():
    metrics, rows = Metrics(), [3, 5]
    metrics.watch_queue("m", lambda: rows.pop(0))
    metrics.watch_queue("other", lambda: 1)
    assert [read(metrics)[key("encas_queue_rows", model="m")] for _ in range(2)] == [3, 5]
    metrics.forget_queue("m")
    assert [k for k in read(metrics) if k[0] == "encas_queue_rows"] == [
        key("encas_queue_rows", model="other")
    ]


def test_two_servers_count_apart():
    first, second = Metrics(), Metrics()
    first.add_request("m", "http", "ok", 0.5)
    assert b'outcome="ok"' in first.text()
    assert b'outcome="ok"' not in second.text()
    assert CONTENT_TYPE.startswith("text/plain")
