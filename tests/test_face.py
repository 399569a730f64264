"""The public names: what is there, what completion shows, and what help() begins with."""

import inspect
import json
import os
import pydoc
import rlcompleter
import subprocess
import sys
from pathlib import Path

import pytest

import encas
from encas import errors

FOLDER = Path(encas.__file__).parent


@pytest.mark.parametrize("name", encas.__all__)
def test_every_public_name_is_there(name):
    assert getattr(encas, name) is not None


def test_public_names_are_sorted_and_complete():
    assert encas.__all__ == sorted(encas.__all__)
    assert set(encas.__all__) == set(encas._MODULES)
    assert {name for name in vars(errors) if name.endswith("Error")} <= set(encas.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'cascades'"):
        _ = encas.cascades


def test_no_folder_has_the_name_of_something_public():
    # Importing a module of it would put the folder into the place of the public name.
    folders = {path.parent.name for path in FOLDER.glob("*/__init__.py")}
    modules = {path.stem for path in FOLDER.glob("*.py")}
    assert not (folders | modules) & set(encas.__all__)


def test_dir_and_completion_show_the_public_names_alone():
    import encas.reports.page  # noqa: PLC0415

    assert dir(encas) == encas.__all__
    found = rlcompleter.Completer({"encas": encas}).attr_matches("encas.")
    shown = {text.removeprefix("encas.").rstrip("()") for text in found}
    assert {name for name in shown if not name.startswith("_")} == public_names()


@pytest.mark.parametrize("use_jedi", [True, False])
def test_completion_of_ipython_shows_the_public_names_alone(use_jedi, tmp_path):
    pytest.importorskip("IPython")
    code = f"""
import json, warnings
from IPython.core.completer import IPCompleter, provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
import encas
import encas.reports.page
shell.user_ns["encas"] = encas
shell.Completer.use_jedi = {use_jedi}
with provisionalcompleter():
    print(json.dumps([one.text for one in shell.Completer.completions("encas.", 6)]))
"""
    environment = {"IPYTHONDIR": str(tmp_path)}
    done = run(code, environment)
    shown = {text.removeprefix("encas.").removeprefix(".") for text in json.loads(done)}
    assert {name for name in shown if not name.startswith("_")} == public_names()


def public_names() -> set[str]:
    return {name for name in encas.__all__ if not name.startswith("_")}


def run(code: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | (environment or {}),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_import_of_the_package_imports_nothing_but_the_standard_library():
    code = """
import sys
before = set(sys.modules)
import encas
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(new - set(sys.stdlib_module_names)))
"""
    assert run(code) == "['encas']"


def test_functions_take_one_or_two_arguments_by_position_and_the_rest_by_name():
    by_position = {}
    for name in encas.__all__:
        value = getattr(encas, name)
        if inspect.isfunction(value):
            parameters = inspect.signature(value).parameters.values()
            kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
            by_position[name] = [one.name for one in parameters if one.kind in kinds]
    two = {name: names for name, names in by_position.items() if len(names) > 1}
    assert two == {
        "decide": ["cascade", "outputs"],
        "evaluate_front": ["front", "pool"],
        "export_bundle": ["front", "pool"],
    }
    assert all(by_position.values())


def test_help_begins_with_what_the_package_is_and_an_example():
    text = pydoc.plain(pydoc.render_doc(encas))
    head = text[: text.index("PACKAGE CONTENTS")]
    assert "Cascades of image classifiers: searched" in head
    example = [line for line in head.splitlines() if line.strip().startswith((">>>", "..."))]
    assert len(example) == 10
