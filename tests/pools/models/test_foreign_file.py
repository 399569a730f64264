import io
import zipfile

import pytest

from encas.pools.models.foreign_file import foreign_file

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 98765\n"


def archive_of(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (POINTER, "git lfs pull"),
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>", "a page of HTML"),
        (b"\x89HDF\r\n\x1a\n and more", "Keras"),
        (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x80\x04K\x01.", "a whole model that torch pickled"),
        (archive_of("net/data.pkl", "net/version"), "a file of weights that torch saved"),
        (archive_of("net/data.pkl", "net/constants.pkl"), "a TorchScript archive"),
        (archive_of("a.txt"), "a zip: unpack it"),
        (b"PK\x03\x04 and then nothing", "a zip that was cut off"),
    ],
)
def test_foreign_file_is_told_with_what_to_do(tmp_path, content, told):
    (tmp_path / "m.onnx").write_bytes(content)
    assert told in (foreign_file(tmp_path / "m.onnx") or "")


def test_foreign_file_that_nobody_knows_is_not_named(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    assert foreign_file(tmp_path / "m.onnx") is None
    assert foreign_file(tmp_path) == "a folder"


def test_foreign_file_of_safetensors_is_one_of_weights(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    assert "a file of weights" in (foreign_file(tmp_path / "m.safetensors") or "")
