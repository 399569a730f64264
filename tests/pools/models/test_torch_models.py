"""Torch modules that a SPEC names: what may be named, weights that fit, fixed random weights."""

import pytest

torch = pytest.importorskip("torch")

from encas.errors import SourceError  # noqa: E402
from encas.pools.models.specs import source_model  # noqa: E402

pytestmark = pytest.mark.torch


def build(spec):
    return source_model(spec).build()


def test_build_draws_the_same_random_weights_every_time(nets):
    first, second = build("torch:little_nets:make"), build("torch:little_nets:make")
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not first.training


def test_build_leaves_the_global_seed_alone(nets):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    build("torch:little_nets:make")
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("wrapped", [False, True])
def test_build_loads_state_dicts_with_and_without_their_wrappings(nets, wrapped):
    trained = build("torch:little_nets:make")
    state = {key: value + 1 for key, value in trained.state_dict().items()}
    content = {f"module.{key}": value for key, value in state.items()} if wrapped else state
    torch.save({"state_dict": content, "epoch": 3} if wrapped else content, nets / "w.pt")
    loaded = build("torch:little_nets:make?weights=w.pt").state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


def test_build_loads_safetensors(nets):
    safetensors = pytest.importorskip("safetensors.torch")
    state = build("torch:little_nets:make?width=2").state_dict()
    safetensors.save_file(state, nets / "w.safetensors")
    loaded = build("torch:little_nets:make?width=2&weights=w.safetensors").state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


def test_build_with_weights_of_another_shape_is_refused(nets):
    torch.save(build("torch:little_nets:make?width=2").state_dict(), nets / "w.pt")
    with pytest.raises(SourceError, match="w.pt does not fit the model"):
        build("torch:little_nets:make?width=3&weights=w.pt")


def test_build_with_pickled_code_is_refused(nets):
    torch.save(build("torch:little_nets:make"), nets / "whole.pt")
    with pytest.raises(SourceError, match="pickles little_nets.Net, which only its own code"):
        build("torch:little_nets:make?weights=whole.pt")


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("torch:little_nets:nothing", "defines no function or class 'nothing'"),
        ("torch:little_nets:time", "defines no function or class 'time'"),
        ("torch:os:getcwd", "os is of Python's standard library"),
        ("torch:missing_module:make", "cannot import missing_module"),
        ("torch:little_nets", "expected torch:package.module:callable"),
        ("torch:nets/best.ckpt", r"a file of weights stands behind it: \?weights=nets/best.ckpt"),
    ],
)
def test_spec_that_names_no_callable_of_a_module_is_refused(nets, spec, fault):
    with pytest.raises(SourceError, match=fault):
        source_model(spec)


def test_build_of_something_else_than_a_module_is_refused(nets):
    with pytest.raises(SourceError, match=r"expected a torch.nn.Module to be returned, got int"):
        build("torch:little_nets:not_a_module")


def test_build_with_an_unknown_argument_is_refused(nets):
    with pytest.raises(SourceError, match="cannot be called like this"):
        build("torch:little_nets:make?depth=3")
