"""Triton's Python models in this process: their code is that beside `model.py` in a repository."""

import importlib
import json
import shutil
import sys

import pytest
from fake_triton import HOW, FakeTriton, arguments

from encas.serving.triton.vendoring import PACKAGE


@pytest.fixture
def triton(monkeypatch):
    fake = FakeTriton()
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", fake)
    return fake


@pytest.fixture
def loaded(triton, monkeypatch):
    """Loads a model of a repository as Triton does: from its own folder alone."""

    def open_model(repository, name):
        folder = repository / name / "1"
        for module in [m for m in sys.modules if m == "model" or m.startswith(PACKAGE)]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        model = importlib.import_module("model").TritonPythonModel()
        model.initialize(arguments(repository, name))
        assert sys.modules[f"{PACKAGE}.serving"].__file__.startswith(str(folder))
        return model

    yield open_model
    for module in [m for m in sys.modules if m == "model" or m.startswith(PACKAGE)]:
        del sys.modules[module]


@pytest.fixture
def pictured(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "three")
    manifest = json.loads((bundle / "manifest.json").read_text())
    content = json.dumps(manifest | {"preprocessing": HOW})
    (tmp_path / "three" / "manifest.json").write_text(content)
    return tmp_path / "three"


@pytest.fixture
def own_module(triton, monkeypatch):
    """Imports a module of this package that needs Triton's, anew and for one test alone."""

    def import_it(name):
        for module in [m for m in sys.modules if m.startswith("encas.serving.triton.triton_")]:
            monkeypatch.delitem(sys.modules, module)
        return importlib.import_module(f"encas.serving.triton.{name}")

    yield import_it
    for module in [m for m in sys.modules if m.startswith("encas.serving.triton.triton_")]:
        del sys.modules[module]
