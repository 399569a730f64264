import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from encas.errors import SourceError  # noqa: E402
from encas.pools.models.safetensors_file import read_tensors  # noqa: E402

pytestmark = pytest.mark.torch


def test_tensors_are_read_by_name(tmp_path):
    stored = {"a": torch.arange(6).reshape(2, 3), "b.weight": torch.ones(1, dtype=torch.float16)}
    safetensors.save_file(stored, tmp_path / "w.safetensors")
    found = read_tensors(tmp_path / "w.safetensors")
    assert set(found) == {"a", "b.weight"}
    assert all(torch.equal(found[name], tensor) for name, tensor in stored.items())
    assert found["b.weight"].dtype == torch.float16


@pytest.mark.parametrize("content", [b"", b"not tensors at all", b"\xff" * 64])
def test_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"w.safetensors: not a safetensors file: "):
        read_tensors(path)


def test_file_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    safetensors.save_file({"a": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SourceError, match="not a safetensors file"):
        read_tensors(path)


def test_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(SourceError, match="not a safetensors file: .*none"):
        read_tensors(tmp_path / "none")
