import subprocess
import sys

import pytest

from encas.serving.triton.vendoring import PACKAGE, ROOT, model_files, own_modules


@pytest.mark.parametrize(
    "module", ["triton_bls", "triton_python", "triton_member", "triton_preprocess"]
)
def test_copied_code_imports_without_this_package(module, tmp_path):
    for path, text in model_files(module).items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "triton_python_backend_utils.py").write_text("")
    code = (
        "import sys; sys.modules['encas'] = None; sys.path.insert(0, sys.argv[1]); "
        "import model; assert 'torch' not in sys.modules; print(model.TritonPythonModel.__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == f"{PACKAGE}.serving.triton.{module}\n", done.stderr


@pytest.mark.parametrize("name", ["batch", "bls", "python", "member", "preprocess", "postprocess"])
def test_triton_model_is_short(name):
    assert len(_module(f"triton_{name}").read_text().splitlines()) < 100


def _module(name):
    return ROOT / "serving" / "triton" / f"{name}.py"


def test_bls_needs_nothing_but_numpy():
    names = [path.relative_to(ROOT).as_posix() for path in own_modules(_module("triton_bls"))]
    assert names == [
        "arrays.py", "cascade.py", "errors.py", "runtime/batching.py",
        "serving/triton/triton_batch.py", "serving/triton/triton_bls.py",
    ]  # fmt: skip


def test_model_files_are_the_modules_it_imports_in_packages_of_their_own():
    files = model_files("triton_postprocess")
    assert "from encas_part.serving.triton.triton_postprocess import" in files["model.py"]
    assert set(files) == {
        "model.py",
        *(
            f"{PACKAGE}/{path}"
            for path in (
                "__init__.py",
                "arrays.py",
                "cascade.py",
                "errors.py",
                "serving/__init__.py",
                "serving/triton/__init__.py",
                "serving/triton/triton_batch.py",
                "serving/triton/triton_postprocess.py",
            )
        ),
    }
    source = (ROOT / "cascade.py").read_text("utf-8")
    assert files[f"{PACKAGE}/cascade.py"] == source


def test_model_files_bring_the_schemas_where_something_reads_them():
    schemas = {f"{PACKAGE}/schemas/{path.name}" for path in (ROOT / "schemas").glob("*.json")}
    assert schemas <= set(model_files("triton_python"))
    assert f"{PACKAGE}/schemas/__init__.py" in model_files("triton_python")
    assert not schemas & set(model_files("triton_bls"))


def test_own_modules_are_found_along_every_import_but_those_for_type_checkers(tmp_path):
    (tmp_path / "below").mkdir()
    sources = {
        "a.py": "import json\nfrom .b import x\ndef f():\n    from .below.c import y\n",
        "b.py": "if TYPE_CHECKING:\n    from .d import z\nx = 1\n",
        "below/c.py": "from ..b import x\nfrom ..a import f\ny = 1\n",
        "d.py": "z = 1\n",
    }
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    found = own_modules(tmp_path / "a.py")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "a.py",
        "b.py",
        "below/c.py",
    ]
