import argparse
import zipfile

import pytest

torch = pytest.importorskip("torch")

from encas.errors import SourceError  # noqa: E402
from encas.pools.models.state_dicts import fitting_state, read_state_dict, unfit_text  # noqa: E402

pytestmark = pytest.mark.torch
STATE = {"body.weight": torch.ones(2), "head.bias": torch.zeros(3)}
NAMES = tuple(STATE)


def prefixed(start: str) -> dict:
    return {start + name: tensor for name, tensor in STATE.items()}


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
def test_state_dict_is_found_in_what_a_file_holds(tmp_path, key):
    torch.save(STATE if key is None else {"epoch": 3, key: STATE}, tmp_path / "w.pt")
    found = read_state_dict(tmp_path / "w.pt")
    assert list(found) == list(STATE)
    assert torch.equal(found["body.weight"], torch.ones(2))


@pytest.mark.parametrize("start", ["", "module.", "model.", "net.backbone."])
def test_names_are_those_of_the_module_whatever_they_start_with(start):
    assert set(fitting_state(prefixed(start), NAMES, where="w")) == set(NAMES)


def test_names_of_a_file_of_old_have_no_counts_of_batches():
    wanted = [*NAMES, "norm.num_batches_tracked"]
    assert set(fitting_state(prefixed("module."), wanted, where="w")) == set(NAMES)


def test_tensors_that_do_not_fit_are_counted():
    told = unfit_text(["a", "c"], ["a", "b"])
    assert told == "it lacks 1 tensors (first: b), the model has no 1 tensors (first: c)"
    assert unfit_text(["a"], ["a"]) == ""


def test_tensors_beside_the_model_are_left_out():
    state = prefixed("model.") | {"loss.weight": torch.ones(1)}
    assert set(fitting_state(state, NAMES, where="w")) == set(NAMES)


def test_model_that_stands_in_a_file_twice_is_refused():
    state = prefixed("model.") | prefixed("ema.")
    with pytest.raises(SourceError, match=r"w: holds the model 2 times, as ema\., model\.: save"):
        fitting_state(state, NAMES, where="w")


def test_names_of_another_model_stay_as_they_are():
    state = {"other.weight": torch.ones(1)}
    assert fitting_state(state, NAMES, where="w") is state
    assert fitting_state(STATE, (), where="w") is STATE


def test_names_of_a_part_of_the_model_are_told_without_their_start():
    state = prefixed("model.")
    del state["model.body.weight"]
    assert list(fitting_state(state, NAMES, where="w")) == ["head.bias"]


def test_pickled_objects_are_told_with_what_to_save(tmp_path):
    torch.save({"state_dict": STATE, "options": argparse.Namespace(a=1)}, tmp_path / "w.ckpt")
    told = r"w\.ckpt: pickles argparse\.Namespace, .* torch\.save\(model\.state_dict\(\), FILE\)"
    with pytest.raises(SourceError, match=told) as caught:
        read_state_dict(tmp_path / "w.ckpt")
    assert "weights_only" not in str(caught.value)


def test_torchscript_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "s.pt", "w") as archive:
        for name in ("data.pkl", "constants.pkl"):
            archive.writestr(f"s/{name}", b"x")
    with pytest.raises(SourceError, match=r"s\.pt: no file of plain tensors, but a TorchScript"):
        read_state_dict(tmp_path / "s.pt")


@pytest.mark.parametrize("content", [{"a": 1}, [STATE], 3])
def test_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(SourceError, match="expected a state dict of tensors"):
        read_state_dict(tmp_path / "w.pt")


def test_damaged_file_is_refused(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"\x01\x02 and nothing that torch wrote")
    with pytest.raises(SourceError, match=r"w\.pt: not a file of plain tensors"):
        read_state_dict(tmp_path / "w.pt")
