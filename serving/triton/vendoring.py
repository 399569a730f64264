"""The part of this package that a Triton model needs, as files beside the model.

A model repository must run in a container where this package is not installed. A Triton model
written here imports from its own package as every module does; what it imports, directly and
indirectly, is copied beside `model.py` under another package name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = "encas_part"
INIT = '"""A part of encas, copied here by `encas triton`."""\n'
SCHEMAS = "schemas"
READS_SCHEMAS = "schema.py"


def model_files(module: str) -> dict[str, str]:
    """The files of a Triton model: path beside `model.py` -> content.

    Args:
        module: of this folder which defines `TritonPythonModel`, such as "triton_bls".
    """
    files = {"model.py": _entry(module)}
    for path in own_modules(Path(__file__).with_name(f"{module}.py")):
        relative = path.relative_to(ROOT)
        files[f"{PACKAGE}/{relative.as_posix()}"] = path.read_text("utf-8")
        for folder in relative.parents:
            files[f"{PACKAGE}/{(folder / '__init__.py').as_posix()}"] = INIT
    if f"{PACKAGE}/{READS_SCHEMAS}" in files:
        files[f"{PACKAGE}/{SCHEMAS}/__init__.py"] = INIT
        for schema in sorted((ROOT / SCHEMAS).glob("*.json")):
            files[f"{PACKAGE}/{SCHEMAS}/{schema.name}"] = schema.read_text("utf-8")
    return files


def own_modules(path: Path) -> tuple[Path, ...]:
    """A module of this package and all others of it that it imports, sorted."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imported(module)
    return tuple(sorted(found))


def _imported(path: Path) -> Iterator[Path]:
    for node in _running(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            yield base.with_suffix(".py")


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that are only there for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _running(child)


def _entry(module: str) -> str:
    return (
        '"""Written by `encas triton`."""\n\n'
        f"from {PACKAGE}.serving.triton.{module} import TritonPythonModel\n\n"
        '__all__ = ["TritonPythonModel"]\n'
    )
