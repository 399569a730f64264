from dataclasses import replace

import numpy as np
import pytest
from fake_triton import arguments, joined, requests_of, samples, written
from view_bundle import views

from encas.errors import ManifestError
from encas.processors import usable_processors
from encas.runtime.executor import Runner
from encas.runtime.loading import load


def test_python_layout_runs_the_bundle_beside_it(triton, loaded, bundle, tmp_path):
    repository = written(bundle, tmp_path, layout="python", thresholds=(1.0, 0.0))
    parts = samples(2, 5)
    responses = loaded(repository, "three").execute([{"input": part} for part in parts])
    runner = load(bundle)
    forced = Runner(replace(runner.cascade, thresholds=(1.0, 0.0)), runner.sessions)
    expected = forced(np.concatenate(parts))
    assert set(expected.stage) == {2}
    np.testing.assert_array_equal(joined(responses, "stage")[:, 0], expected.stage)
    np.testing.assert_array_equal(joined(responses, "probabilities"), expected.probabilities)
    assert triton.counts == {("three", "1"): 0, ("three", "2"): 7, ("three", "3"): 0}


def test_python_layout_on_a_gpu_pads_to_buckets(triton, own_module, bundle, tmp_path):
    repository = written(bundle, tmp_path, layout="python", target="gpu", max_batch_size=6)
    model = own_module("triton_python").TritonPythonModel()
    model.initialize(arguments(repository, "three"))
    (x,) = samples(5)
    first = model._runner(x).work[0]
    assert (first.rows, first.padding) == (5, 1)
    (response,) = model.execute([{"input": x}])
    np.testing.assert_array_equal(response.tensors["stage"][:, 0], load(bundle)(x).stage)


@pytest.mark.parametrize("threads", [1, None])
def test_python_layout_has_the_threads_that_were_asked_for(
    triton, own_module, bundle, tmp_path, threads
):
    repository = written(bundle, tmp_path, layout="python", threads=threads)
    model = own_module("triton_python").TritonPythonModel()
    model.initialize(arguments(repository, "three"))
    expected = threads or usable_processors()
    assert {s.info.setting.n_threads for s in model._runner.sessions} == {expected}


def test_python_layout_whose_bundle_was_changed_does_not_load(triton, own_module, bundle, tmp_path):
    repository = written(bundle, tmp_path, layout="python")
    file = repository / "three/1/bundle/members/m1.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    model = own_module("triton_python").TritonPythonModel()
    with pytest.raises(ManifestError, match=r"m1\.onnx: expected \d+ bytes"):
        model.initialize(arguments(repository, "three"))


def test_python_layout_takes_every_input_of_the_bundle(triton, loaded, view_bundles, tmp_path):
    bundle, x = view_bundles / "both", views(20)
    repository = written(bundle, tmp_path, layout="python")
    responses = loaded(repository, "both").execute(requests_of(x, 12, 8))
    expected = load(bundle)(x)
    np.testing.assert_array_equal(joined(responses, "stage")[:, 0], expected.stage)
    np.testing.assert_array_equal(joined(responses, "probabilities"), expected.probabilities)
