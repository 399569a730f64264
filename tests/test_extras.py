"""Optional dependencies: without them the base works, and each one missing is one clear line."""

import ast
import json
import re
import subprocess
import sys
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

import pytest

from encas.cascade import Cascade
from encas.evaluate.objectives import TopOneError, front_costs
from encas.fronts.front import Front
from encas.fronts.scoring import pool_reference, score
from encas.pools.pool import Pool

ROOT = Path(__file__).resolve().parent.parent
NOT_SOURCES = {"tests", "benchmarks", "docs", "examples", "build", "dist"}
BASE = ("numpy", "click", "rich", "markdown_it", "mdurl", "pygments", "encas")
DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow"}

BLOCKER = """
import sys

class Blocker:
    def __init__(self, allowed):
        self.allowed = allowed

    def find_spec(self, name, path=None, target=None):
        package = name.split(".")[0]
        is_known = package in sys.stdlib_module_names or package in self.allowed
        if self.allowed and not is_known and not package.startswith("__editable__"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker(ALLOWED))
"""

# A package that is None in sys.modules cannot be imported; this package is imported anew each time.
ASK = """
import importlib, json
messages = {}
for module, packages in GUARDS:
    for name in [name for name in sys.modules if name.split(".")[0] == "encas"]:
        del sys.modules[name]
    kept = {name: found for name, found in sys.modules.items() if name.split(".")[0] in packages}
    sys.modules.update(dict.fromkeys([*kept, *packages]))
    try:
        importlib.import_module(module)
        messages[module] = "imported"
    except Exception as error:
        messages[module] = f"{type(error).__name__}: {error}"
    for name in packages:
        del sys.modules[name]
    sys.modules.update(kept)
print(json.dumps(messages))
"""


@dataclass(frozen=True)
class Guard:
    """An import that a module can do without until it is needed."""

    module: str
    packages: tuple[str, ...]
    extra: str


def _guards() -> list[Guard]:
    guards = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0].startswith(".") or parts[0] in NOT_SOURCES:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Try) and (extra := _extra_of(node)):
                packages = tuple(sorted(_packages(node)))
                guards.append(Guard(".".join(("encas", *parts)), packages, extra))
    return guards


def _extra_of(node: ast.Try) -> str | None:
    text = " ".join(ast.unparse(handler) for handler in node.handlers)
    match = re.search(r"raise MissingExtraError\(.*extra='(\w+)'", text)
    return match[1] if match else None


def _packages(node: ast.Try) -> set[str]:
    packages: set[str] = set()
    for statement in node.body:
        if isinstance(statement, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            packages.add((statement.module or "").split(".")[0])
    return packages


GUARDS = [guard for guard in _guards() if guard.packages]


def _run(code: str, *, allowed: tuple[str, ...] = ()):
    head = BLOCKER.replace("ALLOWED", repr(allowed))
    return subprocess.run(
        [sys.executable, "-c", head + code], capture_output=True, text=True, check=False
    )


def _extras() -> dict[str, str]:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    return dict(config["options.extras_require"])


def test_base_install_imports_encas_and_lists_the_commands():
    done = _run("import encas\nfrom encas.cli import main\nmain(['--help'])", allowed=BASE)
    assert done.returncode == 0, done.stderr
    assert "search" in done.stdout


def test_base_install_has_every_public_name():
    code = """
import encas, inspect
names = [name for name, _ in inspect.getmembers(encas)]  # as help(encas) asks
print(names == encas.__all__)
"""
    done = _run(code, allowed=BASE)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize(
    ("call", "extra"),
    [
        ("find_front('pool')", "search"),
        ("export_bundle('front.json', 'pool', out='bundle', knee=True)", "cpu"),
        ("tune('pool', out='tuned')", "search"),
        ("plot_front('front.json')", "report"),
        ("Front.load('front.json').plot()", "report"),
    ],
)
def test_base_install_says_what_a_public_function_needs(tmp_path, tiny_pool, call, extra):
    tiny_pool.save(tmp_path / "pool")
    front_of(tiny_pool).save(tmp_path / "front.json")
    code = f"""
import encas, os
os.chdir({str(tmp_path)!r})
try:
    encas.{call}
except encas.MissingExtraError as error:
    print(error)
"""
    done = _run(code, allowed=BASE)
    assert re.fullmatch(rf".+ pip install 'encas\[{extra}\]'\n", done.stdout), done.stderr


def test_search_install_runs_the_example_of_the_package():
    code = "import doctest, encas\nprint(doctest.testmod(encas))"
    done = _run(code, allowed=(*BASE, "numba", "llvmlite", "scipy"))
    assert done.stdout == "TestResults(failed=0, attempted=8)\n", done.stdout + done.stderr


def test_base_install_says_its_version():
    done = _run("from encas.cli import main\nmain(['--version'])", allowed=BASE)
    assert re.fullmatch(r"encas, version \d+\.\d+\.\d+\n", done.stdout)


@pytest.fixture(scope="module")
def messages() -> dict[str, str]:
    """What each guarded module says when its packages are missing, all asked in one process."""
    done = _run(ASK.replace("GUARDS", repr([(g.module, g.packages) for g in GUARDS])))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.module)
def test_missing_dependency_is_one_line_with_the_remedy(guard, messages):
    line = rf"MissingExtraError: .+ pip install 'encas\[{guard.extra}\]'"
    assert re.fullmatch(line, messages[guard.module])


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.module)
def test_extra_of_the_remedy_brings_the_dependency(guard):
    brought = _extras()[guard.extra]
    wanted = {DISTRIBUTIONS.get(package, package) for package in guard.packages}
    assert any(name in brought for name in wanted)


def test_extras_name_each_other_only_where_they_exist():
    extras = _extras()
    for name, requirements in extras.items():
        nested = re.search(r"encas\[(.*)\]", requirements)
        named = set(nested[1].split(",")) if nested else set()
        assert named <= set(extras), name


def test_command_without_its_extra_fails_with_one_line(tmp_path):
    code = f"from encas.cli import main\nmain(['demo', '--out', {str(tmp_path / 'demo')!r}])"
    done = _run(code, allowed=BASE)
    assert done.returncode == 1
    assert re.fullmatch(r"Error: the demo .+ pip install 'encas\[demo\]'\n", done.stderr)


def front_of(pool: Pool) -> Front:
    cascade = Cascade(members=("cheap", "dear"), thresholds=(0.6,))
    costs = front_costs(("error", "macs"), pool)
    return Front(
        pool=pool_reference(pool),
        objectives=("error", "macs"),
        cascades=score([cascade], pool, TopOneError(), costs),
    )


def test_base_install_handles_pools_fronts_and_reports(tmp_path, tiny_pool):
    front_of(tiny_pool).save(tmp_path / "front.json")
    tiny_pool.save(tmp_path / "pool")
    commands = [
        ["pool", "export", "pool", "--out", "outputs.npz"],
        ["pool", "import", "outputs.npz", "--out", "again"],
        ["pool", "show", "again"],
        ["front", "show", "front.json"],
        ["front", "evaluate", "front.json", "again", "--out", "front2.json"],
        ["select", "front.json", "--knee"],
        ["report", "front.json", "--pool", "pool", "--out", "report.html"],
        ["doctor"],
    ]
    code = f"""
import os
from encas.cli import main
os.chdir({str(tmp_path)!r})
for command in {commands!r}:
    try:
        main(command)
    except SystemExit as stop:
        assert stop.code == 0, command
"""
    done = _run(code, allowed=BASE)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").is_file()
