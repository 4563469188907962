"""One line of the scripts on which a promise hangs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """`text` stands once in `file`; with `instead` in its place, `test` must fail. `hangs`: it does
    so by waiting for ever.
    """

    file: str
    text: str
    instead: str
    test: str
    hangs: bool = False

    @property
    def test_file(self) -> str:
        return self.test.partition("::")[0]

    @property
    def test_name(self) -> str:
        return self.test.partition("::")[2]
