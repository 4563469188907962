"""The faults that `make mutate` puts into the app."""

from __future__ import annotations

import ast

import pytest

from tests.mutation import coverage_map, operators, source, survivors


def changes(text: str) -> set[tuple[str, str, str]]:
    """Each mutant's operator, and what it replaces by what."""
    return {(m.operator, m.before, m.after) for m in operators.mutants("m.py", text.encode())}


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("x = a < b", ("comparison", "a < b", "(a <= b)")),
        ("x = a < b", ("comparison", "a < b", "(a >= b)")),
        ("x = a is None", ("comparison", "a is None", "(a is not None)")),
        ("x = a and b", ("and/or", "a and b", "(a or b)")),
        ("x = not a", ("removed not", "not a", "(a)")),
        ("if a:\n    b()", ("negation", "a", "(not a)")),
        ("x = [a for a in b if a]", ("negation", "a", "(not a)")),
        ("x = a - 1", ("arithmetic", "a - 1", "(a + 1)")),
        ("x = 10", ("constant", "10", "11")),
        ("x = True", ("constant", "True", "False")),
        ("x = 'name'", ("text", "'name'", "('nameX')")),
        ("def f():\n    return a", ("return value", "return a", "return None")),
        ("def f(a=1):\n    pass", ("default", "1", "2")),
        ("a.b(c)", ("removed statement", "a.b(c)", "pass")),
        ("a[b] = c", ("removed statement", "a[b] = c", "pass")),
        ("raise a", ("removed statement", "raise a", "pass")),
    ],
)
def test_a_fault_of_each_kind(text: str, change: tuple[str, str, str]) -> None:
    """Each is a piece of text in place of another."""
    assert change in changes(text)


@pytest.mark.parametrize(
    "text",
    [
        '"""A docstring."""',
        "x: dict[str, 'T']",
        "def f(a: 'T') -> 'T': ...",
        "log.info('started', 1)",
        "raise_ = 'a text for people'",
        "x = f'{a + 1} times'",
        "assert a == 1",
        "@dataclass(frozen=True)\nclass A: ...",
        "T = TypeVar('T')",
        "x = 'a' + b",
    ],
)
def test_what_no_test_should_notice_is_left_alone(text: str) -> None:
    """Nothing depends on it but what people and the type checker read."""
    assert {change for change in changes(text) if change[0] != "text"} == set()


def test_mutants_are_python() -> None:
    """A syntax error would be noticed by any test."""
    for file in source.files()[::10]:
        text = (source.ROOT / file).read_bytes()
        for mutant in operators.mutants(file, text):
            ast.parse(mutant.text(text))


def test_a_sample_depends_on_nothing_but_its_seed() -> None:
    """Lines that move, and other code that comes, leave a mutant its place in the order."""
    before = operators.mutants("m.py", b"def f():\n    return a < b and c < d\n")
    after = operators.mutants("m.py", b"e = 1\n\n\ndef f():\n    return a < b and c < d\n")

    keys = [m.key for m in operators.sample(before, 99, seed=1)]
    assert [m.key for m in operators.sample(after, 99, seed=1) if m.function] == keys
    assert [m.key for m in operators.sample(before, 99, seed=2)] != keys
    assert len(operators.sample(before, 3, seed=1)) == 3


def test_a_sample_has_as_many_of_each_operator() -> None:
    """Texts would be most of it otherwise."""
    everything = operators.mutants("m.py", b"x = ['a', 'b', 'c', 'd', e < 1, f and g]")
    found = [m.operator for m in operators.sample(everything, 4, seed=1)]
    assert sorted(found) == ["and/or", "comparison", "constant", "text"]


def test_the_tests_that_are_about_a_module_come_first() -> None:
    """They are most likely to notice; of others, those that run little else, as they are quick."""
    file = "shared/base/names.py"
    text = (source.ROOT / file).read_bytes()
    mutant = next(m for m in operators.mutants(file, text) if m.operator == "return value")
    few, many = {file: [mutant.line]}, {file: list(range(1, mutant.line + 1))}
    others = "tests/__init__.py"
    about = "tests/unit/test_names.py::d"
    known = {name: {"seconds": 20.0, "lines": many} for name in (f"{others}::b", f"{others}::c")}
    known |= {f"{others}::a": {"seconds": 20.0, "lines": few}}
    chosen = coverage_map.CoverageMap(known).of(mutant, budget=45.0)
    assert chosen == [f"{others}::a", f"{others}::b"]

    known[about] = {"seconds": 20.0, "lines": many}
    assert coverage_map.CoverageMap(known).of(mutant, budget=45.0) == [about, f"{others}::a"]


def test_each_accepted_survivor_is_a_mutant_and_has_a_reason() -> None:
    """An entry whose code has changed says nothing any more: remove it."""
    accepted = survivors.accepted()
    files = {key[0] for key in accepted}
    there = {m.key for f in files for m in operators.mutants(f, (source.ROOT / f).read_bytes())}
    assert accepted.keys() - there == set()
    assert all(reason.endswith(".") for reason in accepted.values())
