"""One model over all samples: batch sizes, outputs that fit, whatever models do wrong."""

import re
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from encas.cascade import softmax  # noqa: E402
from encas.data.open_data import open_data  # noqa: E402
from encas.data.pixels import SampleReference, pixel_steps  # noqa: E402
from encas.data.preprocessing import Preprocessing  # noqa: E402
from encas.pools.building.build_job import (  # noqa: E402
    BuildJob,
    attempt,
    attempt_steps,
    batch_size_for,
    is_out_of_memory,
)
from encas.pools.models.run_settings import RunSettings  # noqa: E402
from encas.pools.models.specs import source_model  # noqa: E402

pytestmark = pytest.mark.torch
PREPROCESSING = Preprocessing(size=(8, 8), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))


@pytest.fixture
def job(nets, pictures):
    return BuildJob(
        name="net",
        spec="torch:little_nets:make",
        base=None,
        preprocessing=PREPROCESSING,
        n_classes=3,
        columns=None,
        settings=RunSettings(batch_size=5),
        samples=SampleReference(
            file=None, data=str(pictures), rows=None, plan=pixel_steps(PREPROCESSING)
        ),
    )


def ran(job):
    """How many samples were told of at a time, and the answer."""
    steps, done = attempt_steps(job), []
    while True:
        try:
            done.append(next(steps))
        except StopIteration as end:
            return done, end.value


def answers_of(spec, pictures):
    data = open_data(str(pictures), preprocessing=PREPROCESSING)
    with torch.no_grad():
        return source_model(spec).build()(torch.tensor(data.samples(np.arange(12)))).numpy()


def test_answer_is_what_the_model_answers(job, pictures):
    done, answer = ran(job)
    assert answer.fault == ""
    assert answer.kind == "logits"
    assert answer.batch_size == 5
    assert done == [5, 5, 2]
    np.testing.assert_allclose(answer.outputs, answers_of(job.spec, pictures), rtol=1e-5, atol=1e-6)
    assert answer.costs["macs"] == 64 * 4 * 27 + 4 * 3
    assert answer.costs["params"] == 4 * 27 + 4 + 12 + 3


def test_answer_on_samples_that_are_open_is_the_same(job):
    samples = job.samples.open(n_threads=1)
    first, second = attempt(job), attempt(job, samples=samples)
    np.testing.assert_array_equal(first.outputs, second.outputs)


def test_batch_size_is_halved_until_memory_suffices(job):
    greedy = replace(job, spec="torch:little_nets:make?style=greedy")
    settings = replace(greedy.settings, batch_size=8)
    with_costs_that_fit = replace(greedy, settings=settings)
    done, answer = ran(with_costs_that_fit)
    assert answer.batch_size == 2
    assert done == [0, 0, 2, 2, 2, 2, 2, 2]
    plain = attempt(replace(job, settings=replace(settings, batch_size=2)))
    np.testing.assert_array_equal(answer.outputs, plain.outputs)


def test_probabilities_of_chosen_classes_add_up_to_one(job):
    spec = "torch:little_nets:make?style=softmaxed&classes=5&kind=probabilities"
    part = attempt(replace(job, spec=spec, columns=(4, 0, 2)))
    full = attempt(replace(job, spec=spec, n_classes=5))
    assert part.kind == "probabilities"
    np.testing.assert_allclose(part.outputs.sum(axis=1), 1, rtol=1e-6)
    expected = full.outputs[:, [4, 0, 2]]
    np.testing.assert_allclose(part.outputs, expected / expected.sum(1, keepdims=True), rtol=1e-6)


def test_logits_of_chosen_classes_are_those(job):
    spec = "torch:little_nets:make?classes=5"
    part = attempt(replace(job, spec=spec, columns=(4, 0, 2)))
    full = attempt(replace(job, spec=spec, n_classes=5))
    np.testing.assert_array_equal(part.outputs, full.outputs[:, [4, 0, 2]])


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("torch:little_nets:make?classes=4", "gives 4 classes, the data have 3; .*--class-map"),
        ("torch:little_nets:make?style=broken", 'KeyError: "a bug of the model\'s author"'),
        ("torch:little_nets:make?depth=3", "cannot be called like this"),
        ("torch:little_nets:not_a_module", "expected a torch.nn.Module"),
        ("onnx:nowhere.onnx", "no such file: nowhere.onnx"),
    ],
)
def test_model_that_fails_is_told_in_one_line(job, spec, fault):
    answer = attempt(replace(job, spec=spec))
    assert answer.outputs is None
    assert re.search(fault, answer.fault)
    assert "\n" not in answer.fault


def test_precision_below_float32_is_near_but_not_the_same(job):
    settings = replace(job.settings, precision="bfloat16")
    half, full = attempt(replace(job, settings=settings)), attempt(job)
    assert not np.array_equal(half.outputs, full.outputs)
    np.testing.assert_allclose(softmax(half.outputs), softmax(full.outputs), atol=0.02)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_answers_on_a_gpu_are_near_those_of_the_cpu(job, precision):
    settings = replace(job.settings, device="cuda:0", precision=precision)
    there, here = attempt(replace(job, settings=settings)), attempt(job)
    assert there.fault == ""
    np.testing.assert_allclose(softmax(there.outputs), softmax(here.outputs), atol=0.02)


def test_device_that_is_not_there_is_told(job):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    settings = replace(job.settings, device="cuda:3")
    fault = attempt(replace(job, settings=settings)).fault
    assert fault == "torch sees 0 CUDA devices here, so nothing can run on cuda:3"


@pytest.mark.parametrize(
    ("memory", "device", "n_threads", "expected"),
    [
        (2**17 + 100, "cpu", 1, 64),
        (2**21 + 100, "cpu", 1, 16),
        (2**21 + 2**18 + 100, "cpu", 1, 8),
        (2**21 + 100, "cpu", 2, 32),
        (2**40, "cpu", 1, 1),
        (100, "cuda:1", 4, 512),
        (2**26 + 100, "cuda", 4, 128),
    ],
)
def test_batch_size_fits_the_devices_bytes(memory, device, n_threads, expected):
    settings = RunSettings(device=device, n_threads=n_threads)
    assert batch_size_for(memory, 100, settings) == expected


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("bfc_arena: Failed to allocate memory for requested buffer"), True),
        (MemoryError(), True),
        (RuntimeError("shapes do not fit"), False),
    ],
)
def test_out_of_memory_is_told_from_other_faults(cause, expected):
    assert is_out_of_memory(cause) is expected
