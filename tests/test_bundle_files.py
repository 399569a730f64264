"""Files of a bundle: those hashed, or refused."""

from dataclasses import replace

import pytest

from encas.bundle_files import file_entry, verified_bytes, verified_path
from encas.entries import FileEntry
from encas.errors import ManifestError

# The SHA-256 of b"abc" (FIPS 180-4).
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

each_check = pytest.mark.parametrize("verify", [verified_path, verified_bytes])


@pytest.fixture
def entry(tmp_path) -> FileEntry:
    (tmp_path / "members").mkdir()
    (tmp_path / "members" / "a.onnx").write_bytes(b"abc")
    return file_entry(tmp_path, "members/a.onnx")


def test_entry_of_a_file_is_its_hash_and_size(entry):
    assert entry == FileEntry(file="members/a.onnx", sha256=ABC, bytes=3)


def test_verified_file_is_found_and_read(entry, tmp_path):
    assert verified_path(tmp_path, entry) == tmp_path / "members" / "a.onnx"
    assert verified_bytes(tmp_path, entry) == b"abc"


def test_verified_empty_file_is_read(tmp_path):
    (tmp_path / "empty").touch()
    assert verified_bytes(tmp_path, file_entry(tmp_path, "empty")) == b""


@each_check
@pytest.mark.parametrize("size", [2, 4])
def test_verified_file_of_another_size_is_refused(entry, tmp_path, verify, size):
    with pytest.raises(ManifestError, match=f"a.onnx: expected {size} bytes, got 3"):
        verify(tmp_path, replace(entry, bytes=size))


@each_check
def test_verified_file_of_other_content_is_refused(entry, tmp_path, verify):
    (tmp_path / "members" / "a.onnx").write_bytes(b"abd")
    with pytest.raises(ManifestError, match=f"a.onnx: expected SHA-256 {ABC}, got [0-9a-f]{{64}}"):
        verify(tmp_path, entry)


@each_check
@pytest.mark.parametrize("file", ["members/b.onnx", "members"])
def test_verified_file_that_is_none_is_refused(entry, tmp_path, verify, file):
    with pytest.raises(ManifestError, match=f"{file}: no such file"):
        verify(tmp_path, replace(entry, file=file))


@each_check
@pytest.mark.parametrize("file", ["../a.onnx", "/etc/passwd", "members/../../a"])
def test_verified_file_out_of_the_bundle_is_refused(entry, tmp_path, verify, file):
    with pytest.raises(ManifestError, match="expected a relative path inside the folder"):
        verify(tmp_path, replace(entry, file=file))


def test_entry_of_a_file_out_of_the_bundle_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="expected a relative path inside the folder"):
        file_entry(tmp_path, "../a.onnx")
