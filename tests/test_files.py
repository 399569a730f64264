import json
import os
import stat
import sys

import pytest

from encas.errors import ManifestError, PoolError
from encas.files import (
    inside,
    json_text,
    new_file,
    new_folder,
    read_json,
    sha256_of,
    unfinished_files,
    write_atomically,
)


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def test_sha256_of_a_file_is_the_known_digest(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_write_atomically_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "below" / "file.txt"
    write_atomically(path, "one")
    write_atomically(path, b"two")
    assert path.read_text() == "two"
    assert names_in(path.parent) == ["file.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_write_atomically_gives_the_permissions_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_write_atomically_interrupted_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, "old")

    def interrupted(_handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["file"]


def test_unfinished_files_are_those_that_a_killed_process_left(tmp_path):
    (tmp_path / ".git").mkdir()
    for name in ("file", ".hidden", ".file.txt", ".file.longer_than_theirs"):
        (tmp_path / name).write_text("x")
    with new_file(tmp_path / "file") as temporary:
        assert unfinished_files(tmp_path) == [temporary]
    assert unfinished_files(tmp_path) == []
    assert unfinished_files(tmp_path / "missing") == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_text_of_a_number_that_json_has_not_is_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"x": value})


def test_json_text_reads_back(tmp_path):
    value = {"ü": [1, 2.5, None, True, "x"]}
    write_atomically(tmp_path / "x.json", json_text(value))
    assert read_json(tmp_path / "x.json", error=PoolError) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": ', "not a JSON file"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1e400}', "1e400 is too large a number"),
        (b'{"b": {"a": 1, "c": 2, "a": 1}}', "the key 'a' comes twice in one object"),
        # As many keys as a search for each of them would take minutes for.
        (
            json.dumps({f"k{i}": 0 for i in range(60_000)}).encode()[:-1] + b', "k59999": 0}',
            "the key 'k59999' comes twice in one object",
        ),
        (b"\xff\xfe", "not a JSON file"),
        (b"[" * 200_000, "not a JSON file"),
    ],
)
def test_read_json_of_a_foreign_file_is_refused(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(PoolError, match=message):
        read_json(path, error=PoolError)


def test_read_json_of_a_file_that_is_missing_or_too_large_is_refused(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(PoolError, match=r"x\.json: no such file"):
        read_json(path, error=PoolError)
    path.write_text(json.dumps("x" * 100))
    with pytest.raises(PoolError, match="expected at most 50 bytes, got 102"):
        read_json(path, error=PoolError, max_bytes=50)


def test_new_folder_appears_only_when_it_is_complete(tmp_path):
    with new_folder(tmp_path / "new", error=PoolError) as folder:
        (folder / "file").write_text("x")
        assert not (tmp_path / "new").exists()
    assert (tmp_path / "new" / "file").read_text() == "x"
    assert names_in(tmp_path) == ["new"]


def test_new_folder_that_fails_leaves_nothing(tmp_path):
    def fill():
        with new_folder(tmp_path / "new", error=PoolError) as folder:
            (folder / "file").write_text("x")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fill()
    assert names_in(tmp_path) == []


def test_new_folder_over_an_old_one_needs_overwrite(tmp_path):
    path = tmp_path / "it"
    path.mkdir()
    (path / "old").write_text("x")
    with pytest.raises(PoolError, match="already exists"), new_folder(path, error=PoolError):
        pass
    with new_folder(path, error=PoolError, overwrite=True) as folder:
        (folder / "new").write_text("y")
    assert names_in(path) == ["new"]
    assert names_in(tmp_path) == ["it"]


@pytest.mark.parametrize(
    "relative",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "",
        ".",
        "a/./b",
        "a\\b",
        "C:/x",
        "a\0b",
        "a\ud800",
        "a/",
    ],
)
def test_inside_a_path_that_leads_out_is_refused(tmp_path, relative):
    with pytest.raises(ManifestError, match="expected a relative path inside the folder"):
        inside(tmp_path, relative, error=ManifestError)


def test_inside_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ManifestError, match="got a link out of it"):
        inside(tmp_path / "folder", "link", error=ManifestError)


def test_inside_gives_the_path_of_a_file_below(tmp_path):
    assert inside(tmp_path, "a/b.onnx", error=ManifestError) == tmp_path / "a" / "b.onnx"
