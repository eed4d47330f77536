"""Files of spend, as advertising systems write them."""

from __future__ import annotations

import pytest

from dialtrace.spendfile import SpendFileRefused, parse_mapping, read_spend

ENGLISH = ["\ufeffDate,Campaign,Impr.,Clicks,Cost\r\n", '2026-03-01,spring,"12,400",310,"1,182.40"\r\n']
GERMAN = ["Tag;Kampagne;Kosten;W\u00e4hrung\n", "01.03.2026;fr\u00fchling;1.182,40;eur\n"]


def test_given_a_file_of_another_shape_when_mapped_then_its_rows_are_ours() -> None:
    columns = parse_mapping(["day=Date", "campaign=Campaign", "impressions=Impr.", "clicks=Clicks", "cost=Cost"])
    fixed = parse_mapping(["source=google", "channel=paid_search", "currency=EUR"])
    assert read_spend(ENGLISH, columns=columns, fixed=fixed) == [
        {"day": "2026-03-01", "channel": "paid_search", "source": "google", "campaign": "spring", "impressions": 12400,
         "clicks": 310, "cost": "1182.40", "currency": "EUR"}
    ]  # fmt: skip


def test_given_commas_and_days_of_another_country_when_told_then_they_are_read() -> None:
    columns = parse_mapping(["day=Tag", "campaign=Kampagne", "cost=Kosten", "currency=W\u00e4hrung"])
    (row,) = read_spend(
        GERMAN, columns=columns, fixed={"source": "google"}, delimiter=";", date_format="%d.%m.%Y", decimal_comma=True
    )
    assert (row["day"], row["cost"], row["currency"]) == ("2026-03-01", "1182.40", "EUR")
    assert row["campaign"] == "fr\u00fchling"


@pytest.mark.parametrize(
    ("lines", "fixed", "words"),
    [
        (["day,cost\n"], {"source": "x", "currency": "EUR"}, "no rows"),
        (["date,cost\n", "1,2\n"], {}, "there is no column day; there are date, cost"),
        (["day,cost\n", "1.3.2026,2\n"], {"source": "x", "currency": "EUR"}, "line 2: 1.3.2026 is no day"),
        (["day,cost\n", "2026-03-01,two\n"], {"source": "x", "currency": "EUR"}, "line 2: cost two is no number"),
        (["day,cost\n", "2026-03-01,2\n"], {"currency": "EUR"}, "line 2: names neither a channel nor a source"),
        (["day,cost\n", "2026-03-01,2\n"], {"source": "x"}, "line 2: nothing is no currency"),
        (
            ["day,cost\n", "2026-03-01,2\n", "2026-03-01,3\n"],
            {"source": "x", "currency": "EUR"},
            "line 3: tells of the same day and advertising as line 2",
        ),
        (["day,cost,clicks\n", "2026-03-01,2,1.5\n"], {"source": "x", "currency": "EUR"}, "clicks 1.5 is no whole"),
    ],
)
def test_given_a_faulty_file_when_read_then_the_line_and_the_cure_are_told(
    lines: list[str], fixed: dict[str, str], words: str
) -> None:
    with pytest.raises(SpendFileRefused, match=words):
        read_spend(lines, columns={}, fixed=fixed)


@pytest.mark.parametrize("told", ["day", "colour=x", "day="])
def test_given_a_mapping_that_is_none_then_it_is_refused(told: str) -> None:
    with pytest.raises(SpendFileRefused, match="is not FIELD=COLUMN"):
        parse_mapping([told])
