"""WebDataset shards, read where the images lie."""

import io
import tarfile

import pytest

from encas.data.open_source import open_source
from encas.errors import DataError


def write_shard(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.fixture
def images(pictures):
    return [path.read_bytes() for path in sorted(pictures.rglob("*.png"))]


def test_shards_of_a_folder_are_read_in_the_order_of_their_names(tmp_path, images):
    write_shard(tmp_path / "b.tar", [("x/3.png", images[3]), ("x/3.cls", b"2")])
    write_shard(
        tmp_path / "a.tar",
        [
            ("7.cls", b"1"), ("7.png", images[0]), ("7.json", b'{"label": 1}'),
            ("5.input.png", b"another key's"), ("8.png", images[1]), ("8.json", b'{"label": 0}'),
            ("7.json", b'{"caption": "no label, but there is 7.cls"}'),
        ],
    )  # fmt: skip
    source = open_source(f"webdataset:{tmp_path}")
    assert source.label.tolist() == [1, 0, 2]
    assert [source.raw(row) for row in range(3)] == [images[0], images[1], images[3]]
    assert source.classes is None
    assert source.n_classes == 3


def test_one_shard_may_be_named(tmp_path, images):
    write_shard(tmp_path / "a.tar", [("1.jpg", images[0]), ("1.cls", b"0\n")])
    assert open_source(f"webdataset:{tmp_path / 'a.tar'}").n_samples == 1


def test_image_without_a_label_is_refused(tmp_path, images):
    write_shard(tmp_path / "a.tar", [("1.png", images[0]), ("2.cls", b"0")])
    with pytest.raises(DataError, match=r"1 images have no label .cls/.json \(first: 1\)"):
        open_source(f"webdataset:{tmp_path}")


@pytest.mark.parametrize(
    "label", [b"cat", b"-1", b"true", b'{"class": 1}', b"", b'{"label": 1, "label": 2}']
)
def test_foreign_label_is_refused(tmp_path, images, label):
    write_shard(tmp_path / "a.tar", [("1.png", images[0]), ("1.cls", label)])
    with pytest.raises(DataError, match=r"a.tar/1.cls: expected a label"):
        open_source(f"webdataset:{tmp_path}")


def test_compressed_shard_is_refused(tmp_path, images):
    write_shard(tmp_path / "a.tar", [("1.png", images[0]), ("1.cls", b"0")], mode="w:gz")
    with pytest.raises(DataError, match="not an uncompressed tar file"):
        open_source(f"webdataset:{tmp_path}")


def test_folder_without_shards_is_refused(tmp_path):
    with pytest.raises(DataError, match="no shards: put NAME.tar files there"):
        open_source(f"webdataset:{tmp_path}")
