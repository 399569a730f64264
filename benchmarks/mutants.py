"""Small faults put into a module one by one: which of them do its tests not notice?

    python benchmarks/mutants.py cascade.py search/archive.py --most 80

A mutant is a module with one comparison, operator, number, truth value, condition, keyword argument
or guard changed. Each runs the mirrored test file in a process of its own, forked from one that has
imported the large libraries. One that no test notices is printed as FILE:LINE: BEFORE -> AFTER; not
every survivor asks for a test, because some change nothing that can be observed. PYTEST_ADDOPTS
narrows the tests: '-m "not slow and not triton"'.

It is a script of ours and no library because those copy the source tree and write into the copy,
which goes wrong where the repository's root is the package: here a mutant is in memory alone.
"""

from __future__ import annotations

import argparse
import ast
import copy
import gc
import importlib.util
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
LIBRARIES = (
    "pytest",
    "hypothesis.extra.numpy",
    "numba",
    "onnx",
    "onnxruntime",
    "torch",
    "PIL.Image",
)
NEIGHBOURS: dict[type[ast.AST], Any] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
# What is no behaviour: types, texts, and what classes and functions are dressed in.
SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "bases"}
SKIPPED_NODES = (ast.JoinedStr, ast.Raise, ast.Import, ast.ImportFrom)
SKIPPED_NAMES = {"TypeAlias", "TYPE_CHECKING", "__all__"}
PASSED, BROKEN, SKIPPED, LATE = 0, 70, 77, -1
LEAST_LIMIT_S, LIMIT_FACTOR, LONGEST_S = 10.0, 4.0, 600.0
MOST_BYTES = 4 << 30  # of each process: some mutants would take all there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What takes the place of a node below `parent`, at `key` of the parent's fields or a list."""

    parent: ast.AST
    place: Any
    key: str | int
    new: ast.AST

    def __str__(self) -> str:
        old = self.place[self.key]
        within = isinstance(self.parent, (ast.expr, ast.keyword, ast.comprehension))
        before = ast.unparse(self.parent if within else old)
        self.place[self.key] = self.new
        after = ast.unparse(self.parent if within else self.new)
        self.place[self.key] = old
        heads = (text.strip().partition("\n")[0] for text in (before, after))
        line = getattr(old, "lineno", getattr(self.parent, "lineno", "?"))
        return f"{line}: {' -> '.join(heads)}"


def changes(tree: ast.AST) -> Iterator[Change]:
    """Every change of a tree, from its top to its end."""
    for field, value in ast.iter_fields(tree):
        place = value if isinstance(value, list) else vars(tree)
        for key in range(len(value)) if isinstance(value, list) else (field,):
            node = place[key]
            if not isinstance(node, ast.AST) or field in SKIPPED_FIELDS or _is_skipped(node):
                continue
            for new in replacements(node):
                ast.fix_missing_locations(ast.copy_location(new, node))
                yield Change(parent=tree, place=place, key=key, new=new)
            if not isinstance(node, SKIPPED_NODES):
                yield from changes(node)


def _is_skipped(node: ast.AST) -> bool:
    """Whether a statement is a type alias, the list of public names or for type checkers."""
    named = [*getattr(node, "targets", ()), getattr(node, "annotation", None)]
    named += [node.test] if isinstance(node, ast.If) else []
    return any(isinstance(part, ast.Name) and part.id in SKIPPED_NAMES for part in named)


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """What may take the place of one node."""
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                yield _with(node, ops=[*ops[:place], NEIGHBOURS[type(op)](), *ops[place + 1 :]])
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) if type(op) in NEIGHBOURS:
            yield _with(node, op=NEIGHBOURS[type(op)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield copy.copy(operand)
        case ast.Constant(value=bool() | int() | float() as value):
            yield ast.Constant(_other(value))
        case ast.If(body=[*_, last]) if isinstance(last, ast.Raise):
            yield _with(node, test=ast.Constant(True))  # False is the guard without its `raise`
        case ast.If() | ast.IfExp():
            yield from (_with(node, test=ast.Constant(value)) for value in (True, False))
        case ast.While():
            yield _with(node, test=ast.Constant(False))
        case ast.Raise():
            yield ast.Pass()
        case ast.Call(keywords=all_) | ast.comprehension(ifs=all_):
            name = "keywords" if isinstance(node, ast.Call) else "ifs"
            for one in all_:
                yield _with(node, **{name: [other for other in all_ if other is not one]})


def _with(node: ast.AST, **fields: object) -> ast.AST:
    new = copy.copy(node)
    vars(new).update(fields)
    return new


def _other(value: float) -> float:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return 0.5 if value == 0.75 else value / 2 or 1.0


class MutantLoader(SourceFileLoader):
    """Finds and loads one module: a given tree instead of its file."""

    def __init__(self, name: str, file: Path, tree: ast.Module) -> None:
        super().__init__(name, str(file))
        self._tree = tree

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """As of a finder of `sys.meta_path`."""
        find = importlib.util.spec_from_file_location
        return find(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> Any:  # noqa: ARG002
        """Neither reads nor writes a compiled file."""
        return compile(self._tree, self.path, "exec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A module of the package: its file from the repository's root, its tree and its tests."""

    file: Path
    tree: ast.Module
    tests: tuple[str, ...]

    def start(self, folder: Path, change: Change | None) -> int:
        """The id of a new process that runs the tests, in the end with pytest's exit code."""
        pid = os.fork()
        if pid:
            return pid
        code = BROKEN
        try:
            code = self._run(folder, change)
        finally:
            os._exit(code)

    def _run(self, folder: Path, change: Change | None) -> int:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
        file = REPOSITORY / self.file
        # Kernels run as Python: numba keeps machine code by the age of their files.
        if "compiled import" in file.read_text("utf-8"):
            sys.modules["numba"].config.DISABLE_JIT = True
        if change:
            change.place[change.key] = change.new
        name = ".".join(("encas", *self.file.with_suffix("").parts))
        sys.meta_path.insert(0, MutantLoader(name, file, self.tree))
        hypothesis, pytest = sys.modules["hypothesis"], sys.modules["pytest"]
        # The same examples for every mutant, none kept, none shrunk.
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile(
            "mutants", derandomize=True, database=None, deadline=None, phases=phases
        )
        hypothesis.settings.load_profile("mutants")
        quiet = ("-x", "-p", "no:cacheprovider", "-p", "no:schemathesis", "--assert=plain")
        return int(pytest.main([*self.tests, *quiet, f"--basetemp={folder}"]))


def outcomes(
    tested: Tested, some: Sequence[Change | None], *, at_once: int, limit_s: float
) -> list[int]:
    """How the tests ended for each change, so many of them run at once."""
    ended: dict[int, int] = {}
    running: dict[int, tuple[int, float]] = {}
    left = list(enumerate(some))[::-1]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as at_end:
        at_end.callback(lambda: [os.killpg(pid, signal.SIGKILL) for pid in running])
        while left or running:
            while left and len(running) < at_once:
                place, change = left.pop()
                pid = tested.start(Path(folder) / str(place), change)
                running[pid] = place, time.monotonic() + limit_s
            time.sleep(0.01)
            for pid, (place, end) in list(running.items()):
                late = time.monotonic() > end
                if late:
                    os.killpg(pid, signal.SIGKILL)
                found, status = os.waitpid(pid, 0 if late else os.WNOHANG)
                if found:
                    ended[place] = LATE if late else os.waitstatus_to_exitcode(status)
                    del running[pid]
    return [ended[place] for place in range(len(some))]


def survivors(tested: Tested, *, most: int, seed: int, at_once: int) -> dict[str, Any]:
    """The mutants that the tests do not notice, and how many they do."""
    start = time.monotonic()
    if outcomes(tested, [None], at_once=1, limit_s=LONGEST_S) != [PASSED]:
        sys.exit(f"{tested.file}: its tests fail without any change: {' '.join(tested.tests)}")
    limit_s = max(LEAST_LIMIT_S, LIMIT_FACTOR * (time.monotonic() - start))
    every = list(changes(tested.tree))
    draw = random.Random(seed)
    some = [every[n] for n in sorted(draw.sample(range(len(every)), min(most, len(every))))]
    ends = outcomes(tested, some, at_once=at_once, limit_s=limit_s)
    pairs = zip(some, ends, strict=True)
    return {
        "possible": len(every),
        "mutants": len(some),
        "killed": len(ends) - ends.count(PASSED),
        "by time": ends.count(LATE),
        "survivors": [f"{tested.file}:{change}" for change, end in pairs if end == PASSED],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", type=Path, help="files, from the repository's root")
    parser.add_argument("--tests", nargs="*", default=[], help="test files besides the mirrored")
    parser.add_argument("--most", type=int, default=10**6, help="mutants drawn of each module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=2, help="mutants that run at the same time")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not given.modules:
        print("skipped: name the modules to mutate", file=sys.stderr)
        sys.exit(SKIPPED)
    os.chdir(REPOSITORY)
    found = importlib.util.find_spec("encas")
    if not found or Path(found.origin or "").parent != REPOSITORY:
        sys.exit(f"the package encas has to be the one in {REPOSITORY}, got {found}")
    # One thread, because more of them and a fork do not mix; encas is not imported here.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()  # what is here is not collected, hence not copied, in each process
    results = {}
    for file in given.modules:
        mirrored = Path("tests") / file.parent / f"test_{file.name}"
        tree = ast.parse(file.read_text("utf-8"))
        tested = Tested(file=file, tree=tree, tests=(str(mirrored), *given.tests))
        result = survivors(tested, most=given.most, seed=given.seed, at_once=given.at_once)
        results[str(file)] = result
        if not given.json:
            counts = ", ".join(f"{n} {key}" for key, n in result.items() if key != "survivors")
            print(*result["survivors"], f"{file}: {counts}", sep="\n", flush=True)
    if given.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
