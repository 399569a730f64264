import io
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from encas.data import image_files
from encas.data.image_files import open_image_files
from encas.data.preprocessing import Preprocessing
from encas.errors import DataError

PLAIN = Preprocessing(size=(2, 2))
LAYOUT = (
    "dog/b.png", "dog/a.png", "cat/z/1.png", "cat/2.png", "cat/z/0.PNG", "ant/only.png",
)  # fmt: skip
ORDER = (
    "ant/only.png", "cat/2.png", "cat/z/0.PNG", "cat/z/1.png", "dog/a.png", "dog/b.png",
)  # fmt: skip


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2), (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


def shade_of(path: str) -> int:
    return 10 * (1 + ORDER.index(path))


def folder_of(root: Path) -> Path:
    for path in LAYOUT:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(shade_of(path)))
    (root / "README.txt").write_text("not an image")
    (root / "cat" / "notes.csv").write_text("not an image")
    (root / "cat" / ".hidden.png").write_bytes(b"")
    return root


def zip_of(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("prefix", [None, "", "archive/", "archive/val/"])
def test_image_files_come_by_class_in_order(tmp_path, prefix):
    if prefix is None:
        files = open_image_files(folder_of(tmp_path / "root"))
    else:
        entries = {prefix + path: png(shade_of(path)) for path in LAYOUT}
        entries["__MACOSX/cat/._2.png"] = b""
        files = open_image_files(zip_of(tmp_path / "x.zip", entries))
    assert files.classes == ("ant", "cat", "dog")
    assert files.label.tolist() == [0, 1, 1, 1, 2, 2]
    assert files.paths == tuple(f"{prefix or ''}{path}" for path in ORDER)
    samples = files.read(np.arange(6), preprocessing=PLAIN)
    shades = np.rint(samples[:, 0, 0, 0] * 255).astype(int)
    assert shades.tolist() == [shade_of(path) for path in ORDER]


@pytest.mark.torch
def test_image_files_are_those_of_torchvisions_image_folder(tmp_path):
    from encas.pools.models.timm_models import import_timm  # noqa: PLC0415

    import_timm()
    from torchvision.datasets import ImageFolder  # noqa: PLC0415

    root = folder_of(tmp_path / "root")
    (root / "cat" / ".hidden.png").unlink()
    theirs = ImageFolder(root)
    ours = open_image_files(root)
    assert list(ours.classes) == theirs.classes
    pairs = zip(ours.paths, ours.label, strict=True)
    assert [(str(root / path), int(label)) for path, label in pairs] == theirs.samples


def test_image_files_of_one_class_in_a_zip_are_one_class(tmp_path):
    path = zip_of(tmp_path / "x.zip", {"cat/1.png": png(1), "cat/below/2.png": png(2)})
    assert open_image_files(path).classes == ("cat",)


def test_image_files_of_a_zip_are_never_extracted(tmp_path, monkeypatch):
    path = zip_of(tmp_path / "x.zip", {"a/1.png": png(1), "b/1.png": png(2)})
    monkeypatch.chdir(tmp_path)
    open_image_files(path).read(np.arange(2), preprocessing=PLAIN)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.zip"]


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "a\\b.png", "C:/x.png", "a//b.png"]
)
def test_image_files_of_a_zip_with_paths_that_lead_out_are_refused(tmp_path, name):
    info = zipfile.ZipInfo("x")
    info.filename = name
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/1.png", png(1))
        archive.writestr(info, png(2))
    with pytest.raises(DataError, match="leads out of the zip"):
        open_image_files(path)


def test_image_files_of_a_zip_with_a_link_are_refused(tmp_path):
    info = zipfile.ZipInfo("a/link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = zip_of(tmp_path / "x.zip", {"a/1.png": png(1)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=r"'a/link\.png' is a link"):
        open_image_files(path)


def test_image_files_of_a_zip_with_a_bomb_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_FILE_BYTES", 10_000)
    path = zip_of(tmp_path / "x.zip", {"a/1.png": png(1), "a/bomb.bmp": b"\0" * 20_000})
    with pytest.raises(DataError, match=r"'a/bomb\.bmp' has 20000 bytes, more than 10000"):
        open_image_files(path)


def test_image_files_of_a_zip_with_too_many_entries_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_FILES", 1)
    path = zip_of(tmp_path / "x.zip", {"a/1.png": png(1), "a/2.png": png(1)})
    with pytest.raises(DataError, match="expected at most 1 entries, got 2"):
        open_image_files(path)


def test_image_files_of_a_zip_with_a_name_twice_are_refused(tmp_path):
    path = zip_of(tmp_path / "x.zip", {"a/1.png": png(1)})
    with (
        zipfile.ZipFile(path, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("a/1.png", png(2))
    with pytest.raises(DataError, match=r"'a/1\.png' comes twice"):
        open_image_files(path)


def test_image_files_of_a_zip_with_many_faults_name_the_first(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(15):
            archive.writestr(f"../{index}.png", b"")
    with pytest.raises(DataError, match="11 faults: .* and 5 more"):
        open_image_files(path)


def test_image_files_of_a_damaged_zip_are_refused(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(DataError, match="nor a zip that can be read"):
        open_image_files(path)
    noise = np.random.default_rng(0).integers(0, 256, 3000, dtype=np.uint8).tobytes()
    zip_of(path, {"a/1.png": png(1) + noise})
    content = bytearray(path.read_bytes())
    content[40:140] = bytes(100)
    path.write_bytes(bytes(content))
    files = open_image_files(path)
    with pytest.raises(DataError, match=r"x\.zip/a/1\.png: cannot be unpacked"):
        files.read(np.arange(1), preprocessing=PLAIN)


@pytest.mark.parametrize("entries", [{}, {"1.png": b"x"}, {"a/notes.txt": b"x"}])
def test_image_files_of_no_images_are_refused(tmp_path, entries):
    with pytest.raises(DataError, match="no images"):
        open_image_files(zip_of(tmp_path / "x.zip", entries))


def test_image_files_on_real_data_have_the_labels_of_the_stored_outputs(shared_data):
    files = open_image_files(shared_data / "cifar10" / "val.zip")
    rows = [int(Path(path).stem) for path in files.paths]
    stored = np.load(shared_data / "cifar10" / "val_outputs.npz", allow_pickle=False)
    assert len(files.paths) == 3000
    assert np.array_equal(stored["label"][rows], files.label)


def test_image_files_follow_links_that_stay_in_the_folder(tmp_path):
    root = folder_of(tmp_path / "root")
    (root / "wolf").symlink_to(root / "dog")
    (root / "cat" / "linked.png").symlink_to(root / "ant" / "only.png")
    files = open_image_files(root)
    assert files.classes == ("ant", "cat", "dog", "wolf")
    assert [path for path in files.paths if "wolf" in path] == ["wolf/a.png", "wolf/b.png"]
    assert "cat/linked.png" in files.paths
    assert files.read(np.arange(8), preprocessing=PLAIN).shape == (8, 3, 2, 2)


def test_image_files_name_every_link_that_leads_elsewhere(tmp_path):
    root = folder_of(tmp_path / "root")
    (tmp_path / "outside").mkdir()
    (root / "fox").symlink_to(tmp_path / "outside")
    (root / "cat" / "gone.png").symlink_to(tmp_path / "nowhere")
    (root / "dog" / "loop").symlink_to(root)
    told = (
        r"root: 3 faults: 'fox' is a link out of the folder, to .*outside: copy .*"
        r"'dog/loop' is a link back to a folder .*'cat/gone\.png' is a link to nothing"
    )
    with pytest.raises(DataError, match=told):
        open_image_files(root)
