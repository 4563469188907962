"""The app's clock and timers beside a simulated Azure whose time runs faster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.base.time_scale import ScaledContext, TimeScale

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
SCALE = TimeScale.parse("60@2026-01-01T00:00:00Z")


class Context:
    """Durable's context, as far as it matters here."""

    instance_id = "b1"
    current_utc_datetime = SINCE + timedelta(minutes=1)

    def create_timer(self, fire_at: datetime) -> datetime:
        return fire_at


def test_an_hour_of_azure_is_waited_for_in_a_minute() -> None:
    """The clock shows Azure's time, and a timer is set to the real one."""
    context = ScaledContext(Context(), SCALE)
    assert context.instance_id == "b1"
    assert context.current_utc_datetime == SINCE + timedelta(hours=1)
    asked = context.current_utc_datetime + timedelta(hours=1)
    assert context.create_timer(asked) == SINCE + timedelta(minutes=2)


@pytest.mark.parametrize("text", ["", "60", "0@2026-01-01T00:00:00Z", "60@2026-01-01T00:00:00"])
def test_what_is_no_scale_is_refused(text: str) -> None:
    """A factor without a moment would put the app's clock anywhere."""
    with pytest.raises(ValueError, match=r".*"):
        TimeScale.parse(text)
