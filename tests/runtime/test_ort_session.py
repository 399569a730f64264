from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from encas.errors import SessionError
from encas.processors import usable_processors
from encas.runtime.ort_opening import CPU, CUDA
from encas.runtime.ort_session import OrtSession
from encas.runtime.placement import Placement

SHAPE, N_CLASSES = (1, 2, 3), 4


def session_of(model, **values) -> OrtSession:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    return OrtSession(
        content, **{"name": "m", "input_shape": SHAPE, "n_classes": N_CLASSES, **values}
    )


def test_session_gives_the_models_probabilities(model, probabilities, samples):
    session = session_of(model(3))
    session.warm_up([1, 4])
    found = session.run(samples)
    assert found.dtype == np.float32
    assert np.allclose(found, probabilities(3, samples), atol=1e-6)


def test_session_info_says_where_it_runs(model):
    info = session_of(model(0), placement=Placement(n_threads=1), sha256="abc").info
    assert (info.name, info.input_shape, info.input_dtype) == ("m", SHAPE, "float32")
    assert (info.n_classes, info.sha256) == (N_CLASSES, "abc")
    assert (info.setting.device, info.setting.provider) == ("cpu", CPU)
    assert info.setting.n_threads == 1
    assert info.setting.versions["onnxruntime"] == onnxruntime.__version__


def test_session_takes_every_processor_unless_told(model):
    assert session_of(model(0)).info.setting.n_threads == usable_processors()


def test_session_takes_samples_that_are_not_contiguous(model, probabilities, samples):
    view = samples[::2, :, ::-1]
    assert np.allclose(session_of(model(1)).run(view), probabilities(1, view), atol=1e-6)


def test_session_run_by_many_threads_answers_each_its_own(model, samples):
    session = session_of(model(0))
    whole = session.run(samples)
    jobs = [np.random.default_rng(i).integers(0, 60, 5) for i in range(50)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda rows: session.run(samples[rows]), jobs))
    for rows, answer in zip(jobs, found, strict=True):
        assert np.allclose(answer, whole[rows], atol=1e-6)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3), np.float32), r"m: expected samples \[n, 1, 2, 3\], got \[2, 3\]"),
        (np.zeros((2, *SHAPE)), "m: expected float32 samples, got float64"),
    ],
)
def test_session_on_samples_of_another_shape_or_type_is_refused(model, x, message):
    with pytest.raises(SessionError, match=message):
        session_of(model(0)).run(x)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"input_name": "x"}, "expected one input 'x', got"),
        ({"output_name": "y"}, "expected an output 'y', got"),
        ({"input_shape": (1, 2, 4)}, r"expected an input \['batch', 1, 2, 4\], got"),
        ({"input_shape": (6,)}, r"expected an input \['batch', 6\], got"),
        ({"n_classes": 5}, r"expected an output \[batch, 5\], got"),
    ],
)
def test_session_of_a_model_that_is_not_as_told_is_refused(model, values, message):
    with pytest.raises(SessionError, match=message):
        session_of(model(0), **values)


def test_session_of_a_frozen_batch_is_refused(model):
    frozen = model(0)
    frozen.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 8
    with pytest.raises(SessionError, match=r"expected an input \['batch', 1, 2, 3\], got \[8"):
        session_of(frozen)


def test_session_of_a_model_that_fails_says_on_what(model):
    strange = model(0)
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [7, 6])
    strange.graph.initializer.append(shape)
    strange.graph.node[0].CopyFrom(helper.make_node("Reshape", ["input", "shape"], ["flat"]))
    with pytest.raises(SessionError, match="m: failed on a batch of 3"):
        session_of(strange).run(np.zeros((3, *SHAPE), np.float32))


def test_session_whose_batches_stay_on_the_device_answers_the_same(model, samples):
    plain, bound = session_of(model(0)), session_of(model(0), is_bound=True)
    bound.warm_up([4, 60])
    assert np.array_equal(bound.run(samples), plain.run(samples))
    held = bound.hold(samples)
    rows = np.array([3, 17, 59])
    found = bound.run(held.take(rows, 4))
    held.release()
    assert np.allclose(found[:3], plain.run(samples[rows]), atol=1e-6)
    assert found.shape == (4, N_CLASSES)


def test_session_whose_batches_stay_on_the_device_is_safe_among_threads(model, samples):
    session = session_of(model(0), is_bound=True)
    whole = session.run(samples)
    jobs = [np.sort(np.random.default_rng(i).choice(60, 5, replace=False)) for i in range(50)]

    def run(rows):
        held = session.hold(samples)
        try:
            return session.run(held.take(rows, 8))[:5]
        finally:
            held.release()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(run, jobs))
    for rows, answer in zip(jobs, found, strict=True):
        assert np.allclose(answer, whole[rows], atol=1e-6)


@pytest.mark.gpu
def test_session_on_a_gpu_agrees_with_the_cpu(model, samples):
    on_cpu = session_of(model(0)).run(samples)
    session = session_of(model(0), placement=Placement(device="cuda:0", gpu_memory_bytes=2**30))
    session.warm_up([1, 64])
    assert session.info.setting.provider == CUDA
    assert np.allclose(session.run(samples), on_cpu, atol=1e-5)
