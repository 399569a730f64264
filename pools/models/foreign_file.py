"""What a file is that should be a model and is not: the sentence that helps."""

from __future__ import annotations

import zipfile
from pathlib import Path

HEAD_BYTES = 512
SAVE_TENSORS = (
    "save its tensors, torch.save(model.state_dict(), FILE), and name what builds the model: "
    "torch:package.module:callable?weights=FILE; or export it to ONNX, onnx:FILE"
)
PICKLED = "a whole model that torch pickled, which only its own code can read: " + SAVE_TENSORS
SCRIPTED = "a TorchScript archive: " + SAVE_TENSORS
TENSORS = "a file of weights that torch saved; say torch:package.module:callable?weights=FILE"
SIGNS = (
    (b"version https://git-lfs", "a pointer of Git LFS in place of the file: run `git lfs pull`"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras saves models: convert it to ONNX with tf2onnx"),
    (b"\x1f\x8b", "a gzip file: unpack it"),
    (b"<", "a page of HTML or XML in place of the file: download it again"),
    (b"\x80", PICKLED),
)


def foreign_file(path: Path) -> str | None:
    """What a file is that is no ONNX file, and what to do; None where nobody knows."""
    if path.is_dir():
        return "a folder"
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head.strip():
        return "an empty file: download it again"
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite file: convert it to ONNX with tf2onnx"
    if head[:4] == b"PK\x03\x04":
        return _archive(path)
    if head[8:9] == b"{" and path.suffix == ".safetensors":
        return "a file of weights; say torch:package.module:callable?weights=FILE"
    return next((text for sign, text in SIGNS if head.startswith(sign)), None)


def _archive(path: Path) -> str:
    """Torch saves zips: of weights, of whole models and of TorchScript."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError):
        return "a zip that was cut off: download it again"
    if "constants.pkl" in names:
        return SCRIPTED
    return TENSORS if "data.pkl" in names else "a zip: unpack it"
