"""What the README tells a reader to type works, in the folder that the demo leaves."""

import re
import shlex
from pathlib import Path

import pytest
from matplotlib import pyplot

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
pytest.importorskip("sklearn")

import encas
from encas.cli import main
from encas.demo.demo_flow import DemoSettings, run_demo
from encas.demo.demo_pools import DemoTraining
from encas.demo.digit_networks import RECIPES

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SMALL = DemoSettings(
    recipes=(RECIPES[0], *RECIPES[7:9], *RECIPES[24:26]),
    training=DemoTraining(n_drawings=20),
    evaluations=500,
    batch_sizes=(1, 4),
)


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("readme")
    run_demo(out, settings=SMALL)
    return out


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
def test_readme_commands_run_one_after_the_other(demo_folder, monkeypatch, capsys):
    monkeypatch.chdir(demo_folder)
    lines = [line[2:] for block in _blocks("console") for line in block.splitlines()]
    assert len(lines) >= 8
    for line in lines:
        program, *arguments = shlex.split(line)
        command = ["export", *arguments] if program == "encas-export" else arguments
        with pytest.raises(SystemExit) as stop:
            main(command)
        assert stop.value.code == 0, f"{line}\n{capsys.readouterr().err}"


@pytest.mark.slow
def test_readme_python_runs(demo_folder, monkeypatch, capsys):
    monkeypatch.chdir(demo_folder)
    (code,) = _blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    assert "(3, 10)" in capsys.readouterr().out


@pytest.mark.slow
def test_python_of_its_page_runs(demo_folder, monkeypatch, capsys):
    monkeypatch.chdir(demo_folder)
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, "python.md", "exec"), {})
    pyplot.close("all")
    assert "say which cascade: give min_accuracy=" in capsys.readouterr().out


def test_python_page_names_every_public_name():
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    public = [name for name in encas.__all__ if not name.startswith("_")]
    assert [name for name in public if not re.search(rf"`[^`]*\b{name}\b", page)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text("utf-8"))
    local = [link for link in links if not link.startswith(("http:", "https:"))]
    assert [link for link in local if not (document.parent / link).exists()] == []


def test_readme_names_only_make_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for document in DOCUMENTS:
        named = re.findall(r"^\s+make ([a-z]+)", document.read_text("utf-8"), re.MULTILINE)
        assert set(named) <= targets


def test_picture_of_the_readme_is_a_chart_of_this_package():
    picture = (ROOT / "docs" / "front.svg").read_text("utf-8")
    assert picture.startswith('<svg class="chart"')
    assert "front on digits32:test" in picture


def test_licence_is_the_one_that_is_declared():
    licence = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in licence
    assert "license = Apache-2.0" in (ROOT / "setup.cfg").read_text("utf-8")
