"""When a letter is due, which days it tells of, and what it says."""

from __future__ import annotations

import io
import uuid
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dialtrace.mail.model import message_of
from dialtrace.reports.errors import LinkInvalid, SubscriptionRefused
from dialtrace.reports.letters import make_letter
from dialtrace.reports.model import Line, Question, Report
from dialtrace.reports.named import NamedReport, Section
from dialtrace.reports.subscription_model import (
    SubscriptionValues,
    changed,
    day_told,
    next_at,
    parse_way_out,
    way_out,
)
from dialtrace.typefaces import FONTS

USER = uuid.UUID(int=7)


def values(**own: Any) -> SubscriptionValues:
    return SubscriptionValues(**{"user_id": USER, "client_id": None, "kind": "daily"} | own)


@pytest.mark.parametrize(
    ("kind", "after", "due"),
    [
        ("daily", datetime(2026, 3, 27, 6, 59, tzinfo=UTC), datetime(2026, 3, 27, 7, tzinfo=UTC)),
        ("daily", datetime(2026, 3, 27, 7, tzinfo=UTC), datetime(2026, 3, 28, 7, tzinfo=UTC)),
        # On the 29th the clocks go forward.
        ("daily", datetime(2026, 3, 28, 7, tzinfo=UTC), datetime(2026, 3, 29, 6, tzinfo=UTC)),
        ("weekly", datetime(2026, 3, 27, 7, tzinfo=UTC), datetime(2026, 3, 30, 6, tzinfo=UTC)),
        ("monthly", datetime(2026, 3, 27, 7, tzinfo=UTC), datetime(2026, 4, 1, 6, tzinfo=UTC)),
        ("monthly", datetime(2026, 12, 1, 8, tzinfo=UTC), datetime(2027, 1, 1, 7, tzinfo=UTC)),
    ],
)
def test_given_a_subscription_when_its_next_letter_is_asked_for_then_it_is_at_the_hour_there(
    kind: str, after: datetime, due: datetime
) -> None:
    assert next_at(values(kind=kind, time_zone="Europe/Berlin"), after) == due


@pytest.mark.parametrize(
    ("kind", "at", "zone", "day"),
    [
        ("daily", datetime(2026, 3, 27, 7, tzinfo=UTC), "Europe/Berlin", date(2026, 3, 26)),
        # It is still the 26th there.
        ("daily", datetime(2026, 3, 27, 3, tzinfo=UTC), "America/New_York", date(2026, 3, 25)),
        ("weekly", datetime(2026, 3, 30, 6, tzinfo=UTC), "Europe/Berlin", date(2026, 3, 29)),
        ("weekly", datetime(2026, 3, 30, 3, tzinfo=UTC), "America/New_York", date(2026, 3, 22)),
        ("monthly", datetime(2026, 4, 1, 6, tzinfo=UTC), "Europe/Berlin", date(2026, 3, 31)),
    ],
)
def test_given_a_moment_when_a_letter_is_made_then_it_tells_of_days_that_are_over(
    kind: Any, at: datetime, zone: str, day: date
) -> None:
    assert day_told(kind, at, zone) == day


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "hourly"}, "kind"), ({"hour": 24}, "hour"), ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"), ({"files": ("doc",)}, "files"),
        ({"files": ("pdf", "pdf")}, "files"), ({"language": "la"}, "language"),
    ],
)  # fmt: skip
def test_given_a_value_that_is_none_when_subscribed_then_it_is_named(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(SubscriptionRefused) as refused:
        values(**wrong)
    assert refused.value.field == field
    assert changed(values(), {"hour": 5, "files": ["pdf"]}) == values(hour=5, files=("pdf",))


def test_given_a_link_when_read_then_it_names_its_subscription_and_anything_else_is_refused() -> None:
    agency, one = uuid.UUID(int=1), uuid.UUID(int=2)
    assert parse_way_out(way_out(agency, one, "ab" * 32)) == (agency, one, "ab" * 32)
    for text in ("", "dr_1_2_3", way_out(agency, one, "AB" * 32), way_out(agency, one, "ab" * 32) + "\n"):
        with pytest.raises(LinkInvalid):
            parse_way_out(text)


def report(by: tuple[str, ...], lines: dict[tuple[Any, ...], tuple[Any, Any]], metrics: tuple[str, str]) -> Report:
    question = Question(first=date(2026, 3, 2), last=date(2026, 3, 8), metrics=metrics, by=by)
    made = [
        Line(key=key, figures=dict(zip(metrics, now, strict=True)), before={metrics[0]: 10, metrics[1]: None})
        for key, now in lines.items()
    ]
    total = Line(key=(), figures={metrics[0]: 15, metrics[1]: None}, before={metrics[0]: 10, metrics[1]: None})
    return Report(question=question, lines=made, total=total, unknown=())


def named() -> NamedReport:
    channels = {("<b>&",): (5, Decimal("12.5")), ("=1+1",): (10, None), (None,): (0, None)}
    return NamedReport(
        kind="weekly", first=date(2026, 3, 2), last=date(2026, 3, 8), compared=(date(2026, 2, 23), date(2026, 3, 1)),
        currency="EUR",
        sections=[
            Section(name="total", title="The week", report=report((), {}, ("calls", "cost"))),
            Section(name="channels", title="Channels", report=report(("channel",), channels, ("calls", "cost"))),
            Section(name="weekday_hours", title="Weekdays and hours",
                    report=report(("weekday", "hour"), {(1, 9): (3, None)}, ("calls", "cost"))),
        ],
    )  # fmt: skip


@pytest.mark.skipif(not FONTS.exists(), reason="Debian's fonts-dejavu-core is not installed")
@pytest.mark.parametrize("language", ["en", "ru"])
def test_given_a_report_when_it_becomes_a_letter_then_it_has_pictures_files_and_a_way_out(language: Any) -> None:
    letter = make_letter(
        named(), language=language, whose="Nord & Süd", names={}, files=("pdf", "xlsx"), id="1", to="ann@x.example",
        sender="calls@north.example", sender_name="North", colour="#1f4e79", at=datetime(2026, 3, 9, tzinfo=UTC),
        way_out="https://north.example/v1/way-out?token=dr_1",
    )  # fmt: skip
    message = message_of(letter)
    assert message["List-Unsubscribe"] == "<https://north.example/v1/way-out?token=dr_1>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    html = message.get_body(("html",))
    assert html is not None
    said = html.get_content()
    assert "&lt;b&gt;&amp;" in said
    assert "<b>&" not in said
    assert "Nord &amp; Süd" in said
    assert ("Каналы" in said, "Channels" in said) == (language == "ru", language == "en")
    assert "+50" in said  # fifteen calls after ten
    text = message.get_body(("plain",))
    assert text is not None
    assert "dr_1" in text.get_content()
    assert letter.pictures["channels"].startswith(b"\x89PNG")
    assert "cid:channels" in said
    files = {one.get_filename(): one.get_content() for one in message.iter_attachments()}
    pdf, book = files["weekly-2026-03-02.pdf"], files["weekly-2026-03-02.xlsx"]
    assert pdf.startswith(b"%PDF-")
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        assert len([name for name in parts.namelist() if name.startswith("xl/worksheets/sheet")]) == 3
        sheet = parts.read("xl/worksheets/sheet2.xml").decode()
        assert "<f>" not in sheet
        assert "<v>12.5</v>" in sheet
