"""By which ids analytics systems know a visitor, of their cookies as they are written."""

import pytest

from dialtrace.sites.analytics_ids import MOST_STREAMS, read_analytics_ids


def test_given_cookies_of_both_forms_then_client_and_session_ids_are_read():
    cookies = [
        "_ga=GA1.1.1000000001.1787200000", "_ga_ABC123DEF4=GS1.1.1787209900.3.1.1787209990.0.0.0",
        "_ga_XYZ9876543=GS2.1.s1787209901$o3$g1$t1787209990$j60$l0$h0", "_ym_uid=1787200000123456789",
        "_gat_gtag=1", "_ym_d=1787200000",
    ]  # fmt: skip
    assert read_analytics_ids(cookies) == {
        "ga": "1000000001.1787200000", "ym": "1787200000123456789",
        "ga_sessions": {"ABC123DEF4": "1787209900", "XYZ9876543": "1787209901"},
    }  # fmt: skip


@pytest.mark.parametrize(
    "cookie",
    [
        "_ga=", "_ga=GA1.1.x.y", "_ga=GA1.1.1.2; DROP", "_ga_ABC123DEF4=GS9.1.1787209900", "_ym_uid=abc", "", "\x00",
        "_ga",
    ],
)  # fmt: skip
def test_given_what_is_none_of_them_then_it_is_passed_over(cookie):
    assert read_analytics_ids([cookie]) == {}


def test_given_a_page_with_many_streams_then_a_few_are_kept():
    many = [f"_ga_STREAM{place:03}=GS1.1.17872099{place:02}.1" for place in range(50)]
    assert len(read_analytics_ids(many)["ga_sessions"]) == MOST_STREAMS
