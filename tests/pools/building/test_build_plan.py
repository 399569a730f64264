"""What a build is to do: jobs and refusals, and what decides on the bytes that are stored."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from encas.data.open_source import open_source
from encas.data.pixels import SampleReference, pixel_steps
from encas.data.preprocessing import Preprocessing
from encas.files import sha256_of
from encas.pools.building.build_classes import BuildClasses
from encas.pools.building.build_options import BuildOptions
from encas.pools.building.build_plan import plan_jobs, state_of
from encas.pools.building.build_queue import Group
from encas.pools.models.model_requests import ModelRequest
from encas.pools.models.run_settings import RunSettings

pytestmark = pytest.mark.torch
NET = "torch:little_nets:make"
OPTIONS = BuildOptions(preprocessing=Path("preprocessing.json"), rows=(1, 2), columns=(2, 0))


@pytest.fixture
def source(pictures):
    return open_source(str(pictures))


@pytest.fixture
def samples(nets, rng):
    np.savez(nets / "x.npz", x=rng.random((4, 3, 5, 5)).astype(np.float32), label=[0, 1, 0, 1])
    return open_source(f"npz:{nets / 'x.npz'}")


def request(name, spec=NET, **values):
    return ModelRequest(name=name, spec=spec, **values)


def larger(folder):
    (folder / "larger.json").write_text(json.dumps({"size": [12, 12], "mean": [0.5], "std": [2.0]}))
    return f"{NET}?preprocessing=larger.json"


def test_job_has_all_that_its_model_runs_with(nets, source):
    plan = plan_jobs([request("a", base=nets)], BuildClasses(data=source), OPTIONS)
    (job,) = plan.jobs
    steps = Preprocessing.load(nets / "preprocessing.json")
    assert (job.name, job.spec, job.base) == ("a", NET, nets)
    assert (job.preprocessing, job.n_classes, job.columns) == (steps, 3, (2, 0))
    assert job.settings == RunSettings()
    assert job.samples == SampleReference(
        file=None, data=source.name, rows=(1, 2), plan=pixel_steps(steps)
    )


def test_records_say_preprocessing_and_weights_as_json_gives_them_back(nets, source):
    (nets / "a.onnx").write_bytes(b"weights")
    requests = [request("a", "onnx:a.onnx"), request("b", larger(nets))]
    first, second = plan_jobs(requests, BuildClasses(data=source), OPTIONS).models
    assert (first.name, first.spec) == ("a", "onnx:a.onnx")
    assert first.files == (sha256_of(nets / "a.onnx"),)
    assert second.files == ()
    assert first.preprocessing["size"] == [8, 8]
    assert second.preprocessing["std"] == [2.0]
    for record in (first, second):
        assert json.loads(json.dumps(record.preprocessing)) == record.preprocessing


def test_models_without_a_preprocessing_of_their_own_are_marked(nets, source):
    requests = [request("unaware"), request("aware", larger(nets))]
    assert plan_jobs(requests, BuildClasses(data=source), OPTIONS).unaware == {"unaware"}


def test_samples_that_are_no_images_need_no_preprocessing(nets, samples):
    plan = plan_jobs(
        [request("a", larger(nets)), request("b")], BuildClasses(data=samples), OPTIONS
    )
    assert plan.unaware == frozenset()
    assert [record.preprocessing for record in plan.models] == [{}, {}]
    assert {(job.preprocessing, job.samples.plan) for job in plan.jobs} == {(None, None)}


def test_models_that_cannot_be_had_are_refused_and_stop_nobody(nets, source):
    requests = [request("a"), request("gone", "onnx:gone.onnx"), request("b")]
    plan = plan_jobs(requests, BuildClasses(data=source), OPTIONS)
    assert [job.name for job in plan.jobs] == [m.name for m in plan.models] == ["a", "b"]
    (refusal,) = plan.refusals
    assert (refusal.name, refusal.reason) == ("gone", "no such file: gone.onnx")
    without = plan_jobs(requests, BuildClasses(data=source), BuildOptions())
    assert len(without.refusals) == 3
    assert "its preprocessing is not known: give --preprocessing" in without.refusals[0].reason


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 / 0", "cannot import odd_module: ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "cannot import odd_module: SystemExit: 3"),
        ("def", "cannot import odd_module: SyntaxError: invalid syntax"),
        ("import no_such_module", "cannot import odd_module: No module named 'no_such_module'"),
    ],
)
def test_module_that_raises_anything_on_import_is_one_refusal(nets, source, code, reason):
    (nets / "odd_module.py").write_text(code)
    requests = [request("odd", "torch:odd_module:make"), request("a")]
    plan = plan_jobs(requests, BuildClasses(data=source), OPTIONS)
    assert [job.name for job in plan.jobs] == ["a"]
    (refusal,) = plan.refusals
    assert refusal.name == "odd"
    assert refusal.reason.startswith(reason)


def test_groups_are_jobs_that_share_their_samples(nets, source):
    requests = [request("a"), request("b", larger(nets)), request("c"), request("d")]
    plan = plan_jobs(requests, BuildClasses(data=source), OPTIONS)
    a, b, c, _ = plan.jobs
    assert a.samples == c.samples != b.samples
    assert plan.groups(["c", "b", "a"]) == (
        Group(samples=a.samples, jobs=(a, c)),
        Group(samples=b.samples, jobs=(b,)),
    )
    assert plan.groups([]) == ()


def test_state_names_all_that_decides_on_the_bytes(nets, samples):
    plan = plan_jobs([request("a")], BuildClasses(data=samples), OPTIONS)
    settings = RunSettings(device="cuda:1", precision="float16", n_threads=3, batch_size=7)
    options = replace(OPTIONS, settings=settings, stored="float16")
    state = state_of(plan, samples, samples.sample_hashes(), options)
    assert (state.data, state.n_classes, state.models) == (samples.name, 2, plan.models)
    assert state.settings == {
        "device": "cuda", "precision": "float16", "threads": 3, "batch_size": 7,
        "dtype": "float16", "class_map": [2, 0],
    }  # fmt: skip
    plain = state_of(plan, samples, samples.sample_hashes(), BuildOptions())
    assert plain.settings["class_map"] is None


def test_state_knows_other_samples_and_other_labels(nets, samples):
    plan, hashes = (
        plan_jobs([request("a")], BuildClasses(data=samples), OPTIONS),
        samples.sample_hashes(),
    )
    relabelled = replace(samples, label=samples.label[::-1].copy())
    states = [
        state_of(plan, data, of, OPTIONS).data_sha256
        for data, of in ((samples, hashes), (samples, hashes[::-1]), (relabelled, hashes))
    ]
    assert len(set(states)) == 3
    assert state_of(plan, samples, hashes.copy(), OPTIONS).data_sha256 == states[0]
