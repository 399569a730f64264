"""How functions are compiled, and the rule that the cache of compiled code asks for."""

import ast
from pathlib import Path

import numba
import numpy as np
import pytest

from encas.evaluate import stages
from encas.evaluate.compiled import compiling_told
from encas.evaluate.threshold_grid import THRESHOLDS
from encas.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
DECORATORS = {"compiled", "inlined"}


def compiled_functions(path: Path) -> list[ast.FunctionDef]:
    functions = [node for node in ast.parse(path.read_text("utf-8")).body if is_function(node)]
    return [f for f in functions if {ast.unparse(d) for d in f.decorator_list} & DECORATORS]


def is_function(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef)


COMPILED = {
    path: functions
    for folder in ("evaluate", "search")
    for path in sorted((ROOT / folder).glob("*.py"))
    if (functions := compiled_functions(path))
}


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.name)
def test_compiled_functions_call_compiled_ones_of_their_own_file_alone(path):
    own = {function.name for function in COMPILED[path]}
    foreign = {f.name for other, functions in COMPILED.items() if other != path for f in functions}
    called = {
        node.func.id
        for function in COMPILED[path]
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert called & foreign - own == set()


def test_compiled_function_is_the_one_that_was_written():
    for confidence in (THRESHOLDS[7], np.float32(0.3), np.float32(1.5)):
        assert stages._n_passed(confidence) == stages._n_passed.py_func(confidence)


def test_compiled_functions_let_other_threads_run():
    assert stages.count_lane.targetoptions.get("nogil") is True


def test_compiling_is_told_and_kept_code_is_not():
    function = numba.njit(lambda x: x + 1)
    told: list[Progress] = []
    with compiling_told(told.append):
        assert function(1) == 2
    assert [(p.done, p.total) for p in told] == [(0, None), (1, 1)]
    told.clear()
    with compiling_told(told.append):
        assert function(2) == 3
    assert told == []
