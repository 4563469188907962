"""What Azure tells and is the same for many builds is asked once in a while."""

from __future__ import annotations

from shared.azure.cache import A_MINUTE, TtlCache

NOON, LATER, NEXT_HOUR = "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z", "2026-01-01T13:00:01Z"


class Azure:
    """Answers with a new number each time."""

    def __init__(self) -> None:
        self.asked = 0

    def ask(self) -> int:
        self.asked += 1
        return self.asked


def test_a_fact_is_asked_once_an_hour() -> None:
    """A hundred pools in a queue need one list of sizes."""
    known, azure = TtlCache(), Azure()

    told = [known.get(("sizes", "eastus"), now, azure.ask) for now in (NOON, LATER, NEXT_HOUR)]

    assert told == [1, 1, 2]


def test_facts_of_two_places_are_two_facts() -> None:
    """Regions differ."""
    known, azure = TtlCache(), Azure()

    assert known.get(("sizes", "eastus"), NOON, azure.ask) == 1
    assert known.get(("sizes", "westus"), NOON, azure.ask) == 2


def test_what_does_not_last_is_asked_again() -> None:
    """A resource provider that is being registered will be registered soon."""
    known, azure = TtlCache(), Azure()

    told = [known.get(("provider",), NOON, azure.ask, lambda n: n > 1) for _ in range(3)]

    assert told == [1, 2, 2]


def test_what_changes_sooner_is_asked_sooner() -> None:
    """An account's quotas are raised by somebody's deed, and shall count soon."""
    known, azure = TtlCache(), Azure()
    moments = [f"2026-01-01T12:00:{second:02d}Z" for second in (0, 30)] + [LATER]

    told = [known.get(("account",), now, azure.ask, fresh=A_MINUTE) for now in moments]

    assert told == [1, 1, 2]
