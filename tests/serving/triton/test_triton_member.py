import numpy as np
import pytest
from fake_triton import arguments, joined, requests_of, samples, written
from view_bundle import views

from encas.errors import SessionError
from encas.processors import usable_processors
from encas.runtime.loading import load


def test_member_runs_its_file_under_the_names_of_the_configuration(
    triton, loaded, bundle, tmp_path
):
    repository = written(bundle, tmp_path, layout="bls")
    parts = samples(2, 3)
    responses = loaded(repository, "m1").execute([{"input": part} for part in parts])
    expected = load(bundle).sessions[1].run(np.concatenate(parts))
    np.testing.assert_allclose(joined(responses, "probabilities"), expected, atol=1e-7)


def test_graph_in_the_python_backend_gives_the_shapes_of_the_configuration(
    triton, loaded, bundle, tmp_path
):
    (x,) = samples(6)
    (response,) = loaded(written(bundle, tmp_path), "three").execute([{"input": x}])
    expected = load(bundle)(x)
    np.testing.assert_array_equal(response.tensors["stage"], expected.stage[:, None])
    assert response.tensors["confidence"].shape == (6, 1)


def test_member_has_the_threads_of_its_configuration(triton, own_module, bundle, tmp_path):
    module = own_module("triton_member")
    for threads, expected in ((1, 1), (None, usable_processors())):
        repository = written(bundle, tmp_path / str(threads), layout="bls", threads=threads)
        model = module.TritonPythonModel()
        model.initialize(arguments(repository, "m1"))
        options = model._session.get_session_options()
        assert options.intra_op_num_threads == expected


def test_member_that_is_no_model_does_not_load(triton, own_module, bundle, tmp_path):
    repository = written(bundle, tmp_path, layout="bls")
    (repository / "m1/1/model.onnx").write_bytes(b"nonsense")
    model = own_module("triton_member").TritonPythonModel()
    with pytest.raises(SessionError, match="m1"):
        model.initialize(arguments(repository, "m1"))


def test_graph_in_the_python_backend_takes_every_input(triton, loaded, view_bundles, tmp_path):
    bundle, x = view_bundles / "both", views(20)
    responses = loaded(written(bundle, tmp_path), "both").execute(requests_of(x, 12, 8))
    expected = load(bundle)(x)
    assert set(expected.stage) == {1, 2, 3}
    np.testing.assert_array_equal(joined(responses, "stage")[:, 0], expected.stage)
