import numpy as np

from encas.serving.service.request_batch import NO_STAGES, BatchReport
from encas.serving.service.request_statistics import Duration, Statistics


def test_statistics_count_as_triton_does():
    statistics = Statistics(wall_clock=lambda: 12.5)
    stage = np.array([1, 1, 2])
    report = BatchReport(
        cascade="c", rows=(1, 2), waited_s=(0.1, 0.2), gather_s=0.01, run_s=0.5, stage=stage
    )
    statistics.add_batch(report)
    statistics.add_success(0.7, send_s=0.05)
    statistics.add_failure(0.3)
    found = statistics.to_json("m", "1")
    assert (found["inference_count"], found["execution_count"]) == (3, 1)
    assert found["last_inference"] == 12_500
    times = found["inference_stats"]
    assert times["success"] == {"count": 1, "ns": 700_000_000}
    assert times["fail"] == {"count": 1, "ns": 300_000_000}
    assert times["queue"] == {"count": 2, "ns": 300_000_000}
    assert times["compute_infer"] == {"count": 2, "ns": 1_000_000_000}
    assert times["compute_output"] == {"count": 1, "ns": 50_000_000}
    (batch,) = found["batch_stats"]
    assert (batch["batch_size"], batch["compute_infer"]["count"]) == (3, 1)


def test_statistics_do_not_count_a_batch_that_failed():
    statistics = Statistics()
    statistics.add_batch(
        BatchReport(
            cascade="c", rows=(2,), waited_s=(0.1,), gather_s=0.0, run_s=0.1,
            stage=NO_STAGES, failure=ValueError("x"),
        )
    )  # fmt: skip
    found = statistics.to_json("m", "1")
    assert (found["inference_count"], found["batch_stats"]) == (0, [])
    assert found["inference_stats"]["queue"]["count"] == 1


def report_of(*rows, gather_s=0.25, run_s=0.5):
    stage = np.ones(sum(rows), np.int64)
    waited_s = (0.125,) * len(rows)
    return BatchReport(
        cascade="c", rows=rows, waited_s=waited_s, gather_s=gather_s, run_s=run_s, stage=stage
    )


def test_duration_adds_counts_and_whole_nanoseconds():
    duration = Duration()
    duration.add(1e-9, count=3)
    duration.add(0.4e-9)
    assert duration.to_json() == {"count": 4, "ns": 1}


def test_statistics_of_nothing_are_zero():
    found = Statistics().to_json("m", "1")
    none = {"count": 0, "ns": 0}
    assert set(map(str, found["inference_stats"].values())) == {str(none)}
    assert (found["name"], found["version"], found["last_inference"]) == ("m", "1", 0)
    assert found["batch_stats"] == []


def test_requests_of_a_batch_each_wait_for_all_of_it():
    statistics = Statistics()
    statistics.add_batch(report_of(1, 2, 3))
    found = statistics.to_json("m", "1")
    times = found["inference_stats"]
    assert times["compute_input"] == {"count": 3, "ns": 750_000_000}
    assert times["compute_infer"] == {"count": 3, "ns": 1_500_000_000}
    assert times["queue"] == {"count": 3, "ns": 375_000_000}
    (batch,) = found["batch_stats"]
    assert batch["compute_input"] == {"count": 1, "ns": 250_000_000}
    assert batch["compute_infer"] == {"count": 1, "ns": 500_000_000}


def test_batches_are_told_apart_by_their_rows_in_that_order():
    statistics = Statistics()
    for rows in ((2, 2), (1,), (4,)):
        statistics.add_batch(report_of(*rows))
    sizes = statistics.to_json("m", "1")["batch_stats"]
    counted = [(entry["batch_size"], entry["compute_infer"]["count"]) for entry in sizes]
    assert counted == [(1, 1), (4, 2)]
