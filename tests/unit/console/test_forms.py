"""What a form says, as the API takes it: what cannot be read goes as it is."""

from __future__ import annotations

import pytest

from dialtrace.console.forms import Field, body_of, version_of, whole

NO_NUMBERS = ("²", "--5", "5-", "-", "٣", "9" * 5000, "1_0", "1.5", "")


@pytest.mark.parametrize(("text", "number"), [("5", 5), (" -12 ", -12), ("0", 0), *((one, None) for one in NO_NUMBERS)])
def test_given_a_text_then_it_is_a_whole_number_or_none(text: str, number: int | None) -> None:
    assert whole(text) == number
    assert version_of({"version": text}) == (number or 0)
    body = body_of([Field(name="n", label="", kind="number")], {"n": text}, "UTC")
    assert body == {"n": number if number is not None else text or None}


@pytest.mark.parametrize("text", ["0001-01-01T00:00", "9999-12-31T23:59:59", "tomorrow"])
def test_given_a_moment_beyond_the_calendar_then_it_goes_as_it_is(text: str) -> None:
    zone = "Asia/Tokyo" if text < "1" else "America/New_York"
    assert body_of([Field(name="at", label="", kind="moment")], {"at": text}, zone) == {"at": text}
