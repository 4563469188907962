"""Which small faults a module can have. Each is a replacement of one piece of its text.

Left alone: annotations, docstrings, decorators, assertions (in the app only the type checker needs
them), what is logged, and text for people: every string with a blank and every f-string.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any

from tests.mutation import source

_SWAPPED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip
_TEXT = (ast.JoinedStr, ast.List, ast.Tuple, ast.ListComp)  # `+` puts these together
_LOGGERS = {"log", "logger", "logging", "_log", "_logger"}
_NOT_CALLED = {"TypeVar", "ParamSpec", "NewType", "cast", "getLogger"}
_NEGATED = (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Constant)  # has an operator of its own


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """A fault. The place of two that are alike in one function is told apart by `number`."""

    file: str
    function: str  # dotted; "" for a line of the module itself
    line: int
    operator: str
    before: str
    after: str
    start: int  # bytes from the beginning of the file
    end: int
    number: int = 0

    @property
    def key(self) -> tuple[str, ...]:
        """Stays the same when lines move."""
        return (self.file, self.function, self.before, self.after, str(self.number))

    def rank(self, seed: int) -> str:
        """A place in a random order that does not change when other code does."""
        return hashlib.sha256("\0".join((str(seed), *self.key)).encode()).hexdigest()

    def text(self, original: bytes) -> bytes:
        return original[: self.start] + self.after.encode() + original[self.end :]


def mutants(file: str, text: bytes) -> list[Mutant]:
    """All of a file."""
    found = _Finder(file, text)
    found.visit(ast.parse(text))
    counted: dict[tuple[str, ...], int] = {}
    numbered = []
    for each in found.mutants:
        number = counted[each.key] = counted.get(each.key, -1) + 1
        numbered.append(dataclasses.replace(each, number=number))
    return numbered


def sample(everything: list[Mutant], size: int, seed: int) -> list[Mutant]:
    """As many of each operator as there are, until the sample is full."""
    by_operator: dict[str, list[Mutant]] = {}
    for mutant in sorted(everything, key=lambda m: m.rank(seed)):
        by_operator.setdefault(mutant.operator, []).append(mutant)
    queues = [by_operator[name] for name in sorted(by_operator)]
    turns = (queue[n] for n in range(len(everything)) for queue in queues if n < len(queue))
    return [mutant for mutant, _ in zip(turns, range(size), strict=False)]


class _Finder(ast.NodeVisitor):
    def __init__(self, file: str, text: bytes) -> None:
        self.mutants: list[Mutant] = []
        self._file, self._text = file, text
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._names: list[str] = []
        self._in_defaults = False

    def _add(self, node: Any, operator: str, after: ast.AST | str) -> None:
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        made = after if isinstance(after, str) else ast.unparse(after)
        self.mutants.append(
            Mutant(
                file=self._file,
                function=".".join(self._names),
                line=node.lineno,
                operator="default" if self._in_defaults else operator,
                before=self._text[start:end].decode(),
                after=f"({made})"
                if isinstance(node, ast.expr) and operator != "constant"
                else made,
                start=start,
                end=end,
            )
        )

    # -- what is left alone -----------------------------------------------------------------------

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Assert(self, node: ast.Assert) -> None:
        """Only for the type checker."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Text for people, mostly."""

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not (isinstance(node.value, ast.Name) and node.value.id in {"Literal", "Callable"}):
            self.generic_visit(node)

    # -- statements -------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._names.append(node.name)
        self._in_defaults = True
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.visit(default)
        self._in_defaults = False
        for statement in node.body:
            self.visit(statement)
        self._names.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815  the visitor's name

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._names.append(node.name)
        for each in [*node.keywords, *node.body]:
            self.visit(each)
        self._names.pop()

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant) or _logs(node.value):
            return
        if not isinstance(node.value, ast.Yield):  # each function that has it must yield
            self._add(node, "removed statement", "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._add(node, "removed statement", "pass")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.targets[0], ast.Subscript | ast.Attribute):
            self._add(node, "removed statement", "pass")
        self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._add(node, "removed statement", "pass")
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not _is_none(node.value):
            self._add(node, "return value", "return None")
            self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self._condition(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self.generic_visit(node)  # negated, most would have no end

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._condition(test)
        self.generic_visit(node)

    def _condition(self, test: ast.expr) -> None:
        if not isinstance(test, _NEGATED):
            self._add(test, "negation", ast.UnaryOp(op=ast.Not(), operand=test))

    # -- expressions ------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> None:
        if not _logs(node) and _last_name(node.func) not in _NOT_CALLED:
            self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for index, operation in enumerate(node.ops):
            for other in _SWAPPED[type(operation)]:
                ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
                changed = ast.Compare(left=node.left, ops=ops, comparators=node.comparators)
                self._add(node, "comparison", changed)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self._add(node, "and/or", ast.BoolOp(op=other, values=node.values))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._add(node, "removed not", node.operand)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        other = _ARITHMETIC.get(type(node.op))
        sides = (node.left, node.right)
        if other and not any(isinstance(side, _TEXT) or _is_text(side) for side in sides):
            changed = ast.BinOp(left=node.left, op=other(), right=node.right)
            self._add(node, "arithmetic", changed)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._add(node, "constant", repr(not value))
        elif isinstance(value, int | float):
            self._add(node, "constant", repr(value + 1))
        elif isinstance(value, str) and value and not any(c.isspace() for c in value):
            self._add(node, "text", repr(f"{value}X"))


def _logs(node: ast.AST) -> bool:
    """Whether it is a call of a logger."""
    func = node.func if isinstance(node, ast.Call) else None
    return isinstance(func, ast.Attribute) and _last_name(func.value) in _LOGGERS


def _last_name(node: ast.AST) -> str:
    return getattr(node, "id", None) or getattr(node, "attr", "")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def of_the_app() -> Iterator[Mutant]:
    """Every mutant of every file."""
    for file in source.files():
        yield from mutants(file, (source.ROOT / file).read_bytes())
