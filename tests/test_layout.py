"""The house rules that a machine can check: packages, sizes, arrows between folders, faces."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from configparser import ConfigParser
from functools import cache
from pathlib import Path

import pytest

from encas import errors

ROOT = Path(__file__).resolve().parent.parent
NOT_SOURCES = {"tests", "benchmarks", "docs", "examples", "build", "dist"}
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
MAX_NESTING = 3
LARGEST_ROOM = 0.25
# Each folder and what it may import besides itself, from the ground up; docs/architecture.md draws
# it. "" is the ground floor in the root. A folder may only name folders that stand above it here.
ROOMS = {
    "schemas": set(),
    "": set(),
    "data": {""},
    "runtime": {"", "data"},
    "pools/models/presets": set(),
    "pools/models": {"", "data", "runtime"},
    "pools": {"", "data", "pools/models"},
    "pools/building": {"", "data", "runtime", "pools/models", "pools"},
    "evaluate": {"", "pools"},
    "fronts": {"", "pools", "evaluate"},
    "search": {"", "pools", "evaluate", "fronts"},
    "export": {"", "data", "runtime", "pools/models"},
    "reports": {"", "pools", "evaluate", "fronts"},
    "serving/protocol": {""},
    "serving/service": {"", "data", "runtime", "serving/protocol"},
    "serving/http": {"", "serving/protocol", "serving/service"},
    "serving/grpc": {"", "serving/protocol", "serving/service"},
    "serving/triton": {"", "data", "runtime", "serving/protocol"},
    "serving": {"", "data", "serving/protocol", "serving/service", "serving/http", "serving/grpc"},
    "nat": {"", "data", "pools/models", "pools", "evaluate", "fronts", "search"},
}
BELOW = set(ROOMS)
JOBS = {
    "jobs": BELOW,
    "jobs/tuning": BELOW | {"jobs"},
    "demo": BELOW | {"jobs", "jobs/tuning"},
    "commands": BELOW | {"jobs", "jobs/tuning", "demo"},
}
ARROWS = ROOMS | JOBS
# Modules without a test file beside them: a call, a protocol, a number.
WITHOUT_TESTS = {"__main__.py", "search/problem.py", "version.py"}
# Tests of more than one module: of whole commands, files of old, the tree itself.
WITHOUT_MODULES = {
    "commands/test_cases.py", "commands/test_views.py", "examples/test_cifar10.py",
    "examples/test_imagenet_run.py",
    "examples/test_notebook.py",
    "pools/models/test_timm_parity.py", "pools/test_pool_memory.py", "runtime/test_hostile.py",
    "serving/test_commands.py", "serving/test_triton.py", "test_extras.py", "test_face.py",
    "test_golden.py", "test_layout.py", "test_readme.py",
}  # fmt: skip
FACES = {"__init__.py", "__main__.py", "cli.py"}
TORCH_FOLDERS = {"pools/models", "evaluate", "nat", "export", "demo"}
# A `with` holds a resource and decides nothing: what is in it counts, it does not.
BLOCKS = (ast.If, ast.For, ast.While, ast.Try, ast.Match)


def _sources() -> list[Path]:
    found = [
        path
        for path in ROOT.rglob("*.py")
        if not path.relative_to(ROOT).parts[0].startswith(".")
        and path.relative_to(ROOT).parts[0] not in NOT_SOURCES
    ]
    return sorted(found)


SOURCES = _sources()


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _folder(path: Path) -> str:
    return _name(path.parent) if path.parent != ROOT else ""


each_source = pytest.mark.parametrize("path", SOURCES, ids=_name)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _imports(node: ast.AST, *, all_: bool = False) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that really run: those under `if TYPE_CHECKING` do not; or all of them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif all_ or not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from _imports(child, all_=all_)


def _own_targets(path: Path, *, all_: bool = False) -> Iterator[str]:
    """The files of this package that `path` imports, relative to the root; see `_imports`."""
    for statement in _imports(_tree(path), all_=all_):
        if isinstance(statement, ast.ImportFrom) and statement.level:
            base = path.parent
            for _ in range(statement.level - 1):
                base = base.parent
            base = base.joinpath(*(statement.module or "").split("."))
            if base.with_suffix(".py").is_file():
                yield _name(base.with_suffix(".py"))
                continue
            for alias in statement.names:
                module = base / f"{alias.name}.py"
                yield _name(module if module.is_file() else base / "__init__.py")


def _foreign_packages(path: Path) -> set[str]:
    packages: set[str] = set()
    for statement in _imports(_tree(path)):
        if isinstance(statement, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in statement.names}
        elif not statement.level:
            packages.add((statement.module or "").split(".")[0])
    return packages - set(sys.stdlib_module_names)


def _functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(_tree(path)) if isinstance(node, ast.FunctionDef))


def _nesting(statements: list[ast.stmt]) -> int:
    """How deep blocks lie in blocks; an `elif` is no deeper than its `if`."""
    deepest = 0
    for statement in statements:
        if isinstance(statement, ast.With):
            deepest = max(deepest, _nesting(statement.body))
        if not isinstance(statement, BLOCKS):
            continue
        below = [getattr(statement, "body", []), getattr(statement, "finalbody", [])]
        below += [handler.body for handler in getattr(statement, "handlers", [])]
        below += [case.body for case in getattr(statement, "cases", [])]
        deepest = max(deepest, 1 + max(_nesting(body) for body in below))
        orelse = getattr(statement, "orelse", [])
        is_elif = len(orelse) == 1 and isinstance(orelse[0], ast.If)
        deepest = max(deepest, _nesting(orelse) + (0 if is_elif or not orelse else 1))
    return deepest


def test_packages_of_setup_cfg_are_the_folders_with_an_init():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = config["options"]["packages"].split()
    folders = [path.parent.relative_to(ROOT).parts for path in SOURCES if path.stem == "__init__"]
    assert sorted(listed) == sorted(".".join(("encas", *parts)) for parts in folders)


def test_sources_lie_in_packages():
    homeless = [_name(path) for path in SOURCES if not (path.parent / "__init__.py").is_file()]
    assert homeless == []


def test_root_modules_bear_no_name_of_the_standard_library():
    names = {path.stem for path in SOURCES if path.parent == ROOT}
    names |= {path.parent.name for path in SOURCES if path.parent.parent == ROOT}
    assert names & set(sys.stdlib_module_names) == set()


@each_source
def test_file_is_short_enough_to_read(path):
    assert len(path.read_text("utf-8").splitlines()) <= MAX_FILE_LINES


@each_source
def test_functions_are_short_and_shallow(path):
    for function in _functions(path):
        body = function.body
        is_documented = ast.get_docstring(function) is not None and len(body) > 1
        first = body[1] if is_documented else body[0]
        n_lines = (function.end_lineno or 0) - first.lineno + 1
        assert n_lines <= MAX_FUNCTION_LINES, f"{function.name} has {n_lines} lines"
        assert _nesting(body) <= MAX_NESTING, f"{function.name} is nested too deep"


@each_source
def test_imports_of_own_modules_are_relative_and_follow_the_arrows(path):
    assert "encas" not in _foreign_packages(path)
    if _name(path) in FACES:
        return
    folder = _folder(path)
    assert folder in ARROWS, f"{folder}: say in ARROWS what this room may import"
    allowed = ARROWS[folder] | {folder}
    wrong = [target for target in _own_targets(path) if _folder(ROOT / target) not in allowed]
    assert wrong == []
    assert not FACES & set(_own_targets(path)) - {"__init__.py"}


def test_arrows_between_rooms_point_down():
    rooms = list(ARROWS)
    for place, room in enumerate(rooms):
        assert ARROWS[room] <= {"", *rooms[:place]}, room
    assert set(rooms) == {_folder(path) for path in SOURCES}


def test_no_modules_import_each_other_in_a_circle():
    targets = {_name(path): set(_own_targets(path, all_=True)) for path in SOURCES}
    while targets:
        free = {name for name, needed in targets.items() if not needed & set(targets) - {name}}
        assert free, f"in a circle, or above one: {sorted(targets)}"
        targets = {name: needed for name, needed in targets.items() if name not in free}


def test_no_room_holds_more_than_a_quarter_of_the_house():
    lines = Counter[str]()
    for path in SOURCES:
        lines[_folder(path).split("/")[0]] += len(path.read_text("utf-8").splitlines())
    room, n_lines = lines.most_common(1)[0]
    assert n_lines < LARGEST_ROOM * lines.total(), room


def test_tests_mirror_the_package():
    modules = {_name(path) for path in SOURCES if path.name != "__init__.py"}
    tests = {path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    tested = {path.with_name(path.name.removeprefix("test_")).as_posix(): path for path in tests}
    assert modules - tested.keys() == WITHOUT_TESTS
    assert {tested[name].as_posix() for name in tested.keys() - modules} == WITHOUT_MODULES


def test_no_two_files_have_the_same_base_name():
    names = Counter(path.name for path in SOURCES)
    assert [name for name, n in names.items() if n > 1 and name != "__init__.py"] == []


def test_no_two_public_classes_have_the_same_name():
    # Triton asks each of its Python models for a class of this name.
    given_by_triton = {"TritonPythonModel"}
    names = Counter(
        node.name
        for path in SOURCES
        for node in _tree(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, n in names.items() if n > 1 and name not in given_by_triton] == []


@each_source
def test_ground_floor_needs_nothing_but_numpy(path):
    if path.parent == ROOT and _name(path) not in FACES:
        assert _foreign_packages(path) <= {"numpy"}


@each_source
def test_torch_is_imported_only_where_models_are_made(path):
    if "torch" in _foreign_packages(path):
        folder = path.parent.relative_to(ROOT).as_posix()
        assert any(folder == home or folder.startswith(f"{home}/") for home in TORCH_FOLDERS)


# The root's face imports its names when they are first used; test_face.py holds it.
@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.name == "__init__.py" and path.parent != ROOT],
    ids=_name,
)
def test_init_holds_a_docstring_imports_and_a_sorted_all(path):
    tree = _tree(path)
    assert len((ast.get_docstring(tree) or "").split()) >= 3, "a docstring says what is in here"
    listed: list[str] = []
    imported: list[str] = []
    for statement in tree.body[1:]:
        if isinstance(statement, ast.ImportFrom):
            imported += [alias.asname or alias.name for alias in statement.names]
        elif not isinstance(statement, ast.If):
            assert isinstance(statement, ast.Assign), ast.unparse(statement)
            assert ast.unparse(statement.targets[0]) == "__all__"
            listed = ast.literal_eval(statement.value)
    assert listed == sorted(listed)
    assert sorted(imported) == listed


def test_every_error_stands_in_the_tree_of_its_docstring():
    def below(error: type[errors.EncasError]) -> set[str]:
        return {error.__name__}.union(*(below(child) for child in error.__subclasses__()))

    drawn = {line.lstrip("├└─│ ").split(" ")[0] for line in (errors.__doc__ or "").splitlines()}
    assert below(errors.EncasError) == {word for word in drawn if word.endswith("Error")}


def test_errors_are_defined_in_one_module():
    own = {name for name in vars(errors) if name.endswith("Error")}
    for path in SOURCES:
        classes = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.ClassDef)]
        bases = {ast.unparse(base) for node in classes for base in node.bases}
        assert path.name == "errors.py" or not bases & own, _name(path)
