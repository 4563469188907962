"""Autoscale formulas of Batch pools: the part of the language that pools in practice use.

Statements end with `;`. A statement assigns a number to a variable. Known are numbers, user
variables, arithmetic, comparisons, `a ? b : c`, `min`, `max`, `avg`, `sum`, `floor`, `ceil`,
`TimeInterval_*`, `time()`, `time("...")`, the parts of a time (`.hour`, `.weekday`, ...), and the
service's variables, of which `GetSample` yields the current value and `GetSamplePercent` 100. The
targets have the value of the last evaluation until they are assigned. Text as a value
(`taskcompletion`) is kept as it is.
Language: https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

Value = float | str
_NOW = "time()"  # among the variables, under a name that no formula can assign

_TOKEN = re.compile(
    r"\s*(\d+(?:\.\d+)?|\"[^\"]*\"|\$?[A-Za-z_]\w*|<=|>=|==|!=|&&|\|\||[-+*/()<>?:,.=!])"
)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)

_TIME_INTERVALS = {
    "TimeInterval_Second": 1.0,
    "TimeInterval_Minute": 60.0,
    "TimeInterval_Hour": 3600.0,
    "TimeInterval_Day": 86400.0,
    "TimeInterval_Week": 604800.0,
}
_NODE_DEALLOCATION_OPTIONS = ("requeue", "terminate", "taskcompletion", "retaineddata")

# Loosest first; all are left-associative.
_BINARY: tuple[Mapping[str, Callable[[float, float], float]], ...] = (
    {"||": lambda a, b: float(bool(a) or bool(b))},
    {"&&": lambda a, b: float(bool(a) and bool(b))},
    {
        "<": operator.lt,
        ">": operator.gt,
        "<=": operator.le,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv},
)
_FUNCTIONS: Mapping[str, Callable[[list[float]], float]] = {
    "min": min,
    "max": max,
    "avg": lambda values: sum(values) / len(values),
    "sum": sum,
    "floor": lambda values: math.floor(values[0]),
    "ceil": lambda values: math.ceil(values[0]),
}


class Moment(float):
    """A time; epoch seconds. The difference of two is a number of seconds."""

    __slots__ = ()


# Sunday is 0: https://learn.microsoft.com/azure/batch/batch-automatic-scaling#types
_PARTS: Mapping[str, Callable[[datetime], int]] = {
    "year": lambda t: t.year,
    "month": lambda t: t.month,
    "day": lambda t: t.day,
    "yearday": lambda t: t.timetuple().tm_yday,
    "hour": lambda t: t.hour,
    "minute": lambda t: t.minute,
    "second": lambda t: t.second,
    "weekday": lambda t: t.isoweekday() % 7,
}


class FormulaError(Exception):
    """The formula cannot be read or evaluated; the text says where."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What one run of a formula decided. A target is None where the formula does not set it."""

    dedicated: int | None
    low_priority: int | None
    results: str  # "$TargetDedicatedNodes=1;…", as `autoScaleRun.results` shows it


def evaluate(formula: str, observed: Mapping[str, float], now: float = 0.0) -> Evaluation:
    """Run `formula` over the service's variables (`$PendingTasks`, `$CurrentDedicatedNodes`, …).

    Raises FormulaError. Targets are cut to whole numbers not below zero, as the service does.
    """
    variables: dict[str, Value] = {**observed, _NOW: Moment(now)}
    assigned: dict[str, Value] = {}
    for statement in _COMMENT.sub("", formula).split(";"):
        if statement.strip():
            name, value = _assignment(statement, variables)
            variables[name] = assigned[name] = value
    dedicated = _target(assigned.get("$TargetDedicatedNodes"))
    low_priority = _target(assigned.get("$TargetLowPriorityNodes"))
    results = {
        "$TargetDedicatedNodes": dedicated or 0,
        "$TargetLowPriorityNodes": low_priority or 0,
        "$NodeDeallocationOption": variables.get("$NodeDeallocationOption", "requeue"),
    }
    text = ";".join(f"{name}={value}" for name, value in results.items())
    return Evaluation(dedicated=dedicated, low_priority=low_priority, results=text)


def _target(value: Value | None) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        raise FormulaError(f"'{value}' is not a number of nodes.")
    return max(0, math.floor(value))


def _assignment(statement: str, variables: Mapping[str, Value]) -> tuple[str, Value]:
    name, equals, expression = statement.partition("=")
    name = name.strip()
    if not equals or not re.fullmatch(r"\$?[A-Za-z_]\w*", name):
        raise FormulaError(f"Expected an assignment, found '{statement.strip()}'.")
    if expression.strip() in _NODE_DEALLOCATION_OPTIONS:
        return name, expression.strip()
    return name, _Reader(_tokens(expression), variables).read_all()


def _tokens(text: str) -> list[str]:
    tokens, position, text = [], 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise FormulaError(f"Unexpected character '{text[position]}'.")
        tokens.append(match.group(1))
        position = match.end()
    return tokens


class _Reader:
    """Evaluates one expression while reading it."""

    def __init__(self, tokens: list[str], variables: Mapping[str, Value]) -> None:
        self._tokens = tokens
        self._variables = variables
        self._position = 0

    def read_all(self) -> float:
        value = self._conditional()
        if self._peek():
            raise FormulaError(f"Unexpected '{self._peek()}'.")
        return value

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _take(self, expected: str = "") -> str:
        token = self._peek()
        if not token or (expected and token != expected):
            raise FormulaError(f"Expected '{expected or 'a value'}', found '{token or 'the end'}'.")
        self._position += 1
        return token

    def _conditional(self) -> float:
        condition = self._binary(0)
        if self._peek() != "?":
            return condition
        self._take("?")
        chosen = self._conditional()
        self._take(":")
        otherwise = self._conditional()
        return chosen if condition else otherwise

    def _binary(self, level: int) -> float:
        if level == len(_BINARY):
            return self._unary()
        value = self._binary(level + 1)
        while self._peek() in _BINARY[level]:
            combine = _BINARY[level][self._take()]
            right = self._binary(level + 1)
            moves = isinstance(value, Moment) and not isinstance(right, Moment)
            try:
                value = (Moment if moves else float)(combine(value, right))
            except ZeroDivisionError:
                raise FormulaError("Division by zero.") from None
        return value

    def _unary(self) -> float:
        if self._peek() == "-":
            self._take()
            return -self._unary()
        if self._peek() == "!":
            self._take()
            return float(not self._unary())
        return self._primary()

    def _primary(self) -> float:
        symbol = self._take()
        if symbol == "(":
            value = self._conditional()
            self._take(")")
            return value
        if symbol[0].isdigit():
            return float(symbol)
        if symbol in _FUNCTIONS:
            return _FUNCTIONS[symbol](self._arguments())
        if symbol in _TIME_INTERVALS:
            return _TIME_INTERVALS[symbol]
        if symbol == "time":
            return self._time()
        return self._variable(symbol)

    def _time(self) -> float:
        self._take("(")
        if self._peek() == ")":
            self._take()
            return self._part(float(self._variables[_NOW]))
        text = self._take().strip('"')
        self._take(")")
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise FormulaError(f"'{text}' is not a time.") from None
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return self._part(zoned.timestamp())

    def _part(self, seconds: float) -> float:
        """A time, or the part of it that follows as `.hour`."""
        if self._peek() != ".":
            return Moment(seconds)
        self._take(".")
        name = self._take()
        if name not in _PARTS:
            raise FormulaError(f"'{name}' is no part of a time.")
        return float(_PARTS[name](datetime.fromtimestamp(seconds, UTC)))

    def _arguments(self) -> list[float]:
        self._take("(")
        values = [self._conditional()]
        while self._peek() == ",":
            self._take()
            values.append(self._conditional())
        self._take(")")
        return values

    def _variable(self, name: str) -> float:
        value = self._variables.get(name)
        if not isinstance(value, int | float):
            raise FormulaError(f"'{name}' is not defined.")
        if isinstance(value, Moment):
            return self._part(value)
        if self._peek() != ".":
            return value
        self._take(".")
        method = self._take()
        self._arguments()
        if method == "GetSample":
            return value
        if method == "GetSamplePercent":
            return 100.0
        raise FormulaError(f"'{method}' is not a method of '{name}'.")
