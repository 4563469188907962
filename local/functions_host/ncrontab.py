"""The fields of an NCRONTAB expression, as Azure's timer triggers read them.

NCRONTAB differs from cron: days of the week are 0 to 6, a name may be any beginning of the full
name in any case, a range from high to low is turned round, and there is no `?`, `L`, `W` or `#`.
https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
https://github.com/atifaziz/NCrontab (CrontabFieldImpl.cs, CrontabField.cs)
"""

import re
from dataclasses import dataclass

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


class Invalid(Exception):  # noqa: N818
    """A field cannot be read; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Field:
    noun: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def numbers(self, text: str) -> set[int]:
        """Every value that the field's text means."""
        return set().union(*(self._part(part) for part in text.split(",")))

    def _part(self, text: str) -> set[int]:
        values, slash, step = text.partition("/")
        if slash and not re.fullmatch(r"\d+", step):
            raise Invalid(f"'{step}' is no step of the {self.noun}")
        every = max(1, int(step)) if slash else 1
        if values == "*":
            return set(range(self.lowest, self.highest + 1, every))
        first, dash, last = values.partition("-")
        begin = self._value(first)
        single = self.highest if slash else begin
        end = self._value(last) if dash else single
        begin, end = min(begin, end), max(begin, end)
        return set(range(begin, end + 1, every))

    def _value(self, text: str) -> int:
        if re.fullmatch(r"\d+", text, re.ASCII):
            number = int(text)
        else:
            found = [n for n, name in enumerate(self.names) if text and self._begins(name, text)]
            if not found:
                raise Invalid(f"'{text}' is no value of the {self.noun}")
            number = found[0] + self.lowest
        if not self.lowest <= number <= self.highest:
            limits = f"{self.lowest} to {self.highest}"
            raise Invalid(f"{number} is no value of the {self.noun}, which goes from {limits}")
        return number

    @staticmethod
    def _begins(name: str, text: str) -> bool:
        return name.lower().startswith(text.lower())


_FIELDS = (
    _Field(noun="second", lowest=0, highest=59),
    _Field(noun="minute", lowest=0, highest=59),
    _Field(noun="hour", lowest=0, highest=23),
    _Field(noun="day", lowest=1, highest=31),
    _Field(noun="month", lowest=1, highest=12, names=_MONTHS),
    _Field(noun="day of the week", lowest=0, highest=6, names=_DAYS),
)


def to_cron(texts: list[str]) -> str:
    """Six fields as lists of numbers, which every cron reads alike. Raises Invalid."""
    fields = []
    for field, text in zip(_FIELDS, texts, strict=True):
        numbers = field.numbers(text)
        is_all = len(numbers) == field.highest - field.lowest + 1
        fields.append("*" if is_all else ",".join(map(str, sorted(numbers))))
    return " ".join(fields)
