"""The files of the app, and which of a file's lines a test runs rather than an import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("shared", "activities", "orchestrators", "triggers")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def files() -> list[str]:
    """Every module with something in it, from the project's root."""
    found = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if path.stat().st_size]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def body_lines(function: Function) -> range:
    """The lines that a call of it runs."""
    return range(function.body[0].lineno, (function.end_lineno or function.lineno) + 1)


def statement_lines(tree: ast.AST, line: int) -> range:
    """Those of the statement that has this line, up to its body: Python may tell only the first."""
    found = range(line, line + 1)
    for node in ast.walk(tree):  # outer ones first
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
            body = getattr(node, "body", None)
            end = body[0].lineno if body else (node.end_lineno or line) + 1
            if line < end:
                found = range(node.lineno, end)
    return found


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Functions with their dotted names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}", node
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)


def imported(tree: ast.AST) -> set[str]:
    """The files of the app that a module imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    paths = {f"{name.replace('.', '/')}.py" for name in names if name.split(".")[0] in ROOMS}
    return {path for path in paths if (ROOT / path).exists()}
