import hashlib
import io
import random
import tarfile
from pathlib import Path

import pytest

from encas.data import downloads
from encas.data.downloads import Archive, data_folder, unpacked
from encas.errors import DataError


def packed(**files):
    """A .tar.gz of files by their paths."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def archive_of(tmp_path, content, **values):
    file = tmp_path / "site.tar.gz"
    if content is not None:
        file.write_bytes(content)
    return Archive(**{"url": file.as_uri(), "md5": "", "folder": "set", **values})


GOOD = packed(**{"set/a": b"abc", "set/below/b": b"", "other/c": b"c"})
# Other bytes within the one large file: the checksum at the end is not theirs.
WHOLE = packed(**{"set/a": random.Random(0).randbytes(300_000).hex().encode()})
BROKEN = WHOLE[:150_000] + b"\xff" * 1000 + WHOLE[151_000:]


def test_data_folder_is_what_the_user_says_or_in_the_home(monkeypatch):
    monkeypatch.setenv("ENCAS_DATA", "/some/where")
    assert data_folder() == Path("/some/where")
    monkeypatch.setenv("ENCAS_DATA", "")
    assert data_folder() == Path.home() / ".cache" / "encas"
    monkeypatch.delenv("ENCAS_DATA")
    assert data_folder() == Path.home() / ".cache" / "encas"


@pytest.mark.parametrize("n_bytes", [1, 7, 2**20])
def test_download_fetches_checks_and_unpacks_once(tmp_path, monkeypatch, n_bytes):
    monkeypatch.setattr(downloads, "CHUNK_BYTES", n_bytes)
    md5 = hashlib.md5(GOOD, usedforsecurity=False).hexdigest()
    archive, root = archive_of(tmp_path, GOOD, md5=md5), tmp_path / "new" / "root"
    folder = unpacked(archive, root, download=True)
    assert folder == root / "set"
    assert (folder / "a").read_bytes() == b"abc"
    assert [path.name for path in root.iterdir()] == ["set"]
    (tmp_path / "site.tar.gz").unlink()
    assert unpacked(archive, root, download=True) == folder
    assert unpacked(archive, root, download=False) == folder


def test_nothing_is_fetched_unasked(tmp_path):
    archive, root = archive_of(tmp_path, GOOD), tmp_path / "root"
    with pytest.raises(DataError, match=r"set: no such folder: put set of file:.* --download"):
        unpacked(archive, root, download=False)
    assert not root.exists()


@pytest.mark.parametrize(
    ("content", "md5", "fault"),
    [
        (GOOD, "0" * 32, "expected MD5 0+, got"),
        (b"abc", "", "cannot be unpacked"),
        (GOOD[:60], "", "cannot be unpacked"),
        (GOOD[:-1], "", "cannot be unpacked"),
        (BROKEN, "", "cannot be unpacked"),
        (packed(**{"../evil": b"x"}), "", "cannot be unpacked: .*outside the destination"),
        (None, "", "cannot be fetched"),
        (packed(**{"other/c": b"c"}), "", "the archive holds no folder set"),
        (packed(set=b"a file"), "", "the archive holds no folder set"),
    ],
)
def test_download_that_fails_leaves_nothing(tmp_path, content, md5, fault):
    archive, root = archive_of(tmp_path, content, md5=md5), tmp_path / "root"
    with pytest.raises(DataError, match=fault):
        unpacked(archive, root, download=True)
    assert list(root.iterdir()) == []
    assert not (tmp_path / "evil").exists()
