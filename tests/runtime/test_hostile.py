"""The bundles of `hostile/`: each is refused with the one error that its README says."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from encas.cli import main
from encas.errors import EncasError
from encas.runtime.loading import load

HOSTILE = Path(__file__).parent / "hostile"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (HOSTILE / "README.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| folder")
]
MESSAGES = {name.strip("| "): message.strip("| ") for name, _, message in ROWS}
each_attack = pytest.mark.parametrize("name", MESSAGES)


def backend_of(name: str):
    return "graph" if name.startswith("graph") else "staged"


@pytest.mark.parametrize("backend", ["staged", "graph"])
def test_honest_bundle_runs(backend):
    prediction = load(HOSTILE / "honest", backend=backend)(np.zeros((3, 2), np.float32))
    assert prediction.stage.tolist() == [2, 2, 2]


def test_hostile_bundles_are_those_of_the_table():
    folders = {path.name for path in HOSTILE.iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} == {"honest", *MESSAGES}


@each_attack
def test_hostile_bundle_is_refused(name, capfd):
    with pytest.raises(EncasError) as caught:
        load(HOSTILE / name, backend=backend_of(name), n_threads=1)
    assert MESSAGES[name] in str(caught.value)
    # Libraries that tell their side on stdout would spoil what --json prints there.
    assert capfd.readouterr() == ("", "")


@each_attack
def test_hostile_bundle_is_one_line_of_the_command_line(name, capfd, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 2), np.float32), label=np.zeros(3, np.int64))
    options = ["--data", f"npz:{tmp_path}/x.npz", "--out", str(tmp_path / "out.npz"), "--json"]
    with pytest.raises(SystemExit) as caught:
        main(["run", str(HOSTILE / name), "--backend", backend_of(name), *options])
    out, err = capfd.readouterr()
    assert (caught.value.code, out) == (1, "")
    assert MESSAGES[name] in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out.npz").exists()


def test_hostile_bundles_are_what_their_script_writes(tmp_path):
    command = [sys.executable, str(HOSTILE / "make.py"), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    assert _contents(tmp_path) == _contents(HOSTILE)


def _contents(folder: Path) -> dict[str, bytes | str]:
    files = [path for path in folder.glob("*/**/*") if "__pycache__" not in path.parts]
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink()
        else path.read_bytes()
        for path in files
        if path.is_symlink() or path.is_file()
    }  # fmt: skip
