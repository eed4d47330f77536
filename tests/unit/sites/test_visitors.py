"""What is told of a visitor, and how little is kept."""

import threading
from uuid import uuid4

import pytest

from dialtrace.db.errors import DatabaseUnavailable
from dialtrace.ids import new_id
from dialtrace.sites.bots import is_bot
from dialtrace.sites.model import moment_of
from dialtrace.sites.rates import Rates
from dialtrace.sites.rules import Choice, Place, Show
from dialtrace.sites.shown import PlaceShown, formatted, place_document, spaced
from dialtrace.sites.signs import Signs
from dialtrace.sites.visitors import device_of, kept_of_address, region_of

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT}"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 "
    "Mobile/15E148 Safari/604.1"
)
MAC = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT}"
TABLET = f"Mozilla/5.0 (Linux; Android 15; SM-X710) {WEBKIT}"
YANDEX = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/154.0.0.0 "
    "YaBrowser/26.10.0.0 Safari/537.36"
)
PHONE = TABLET.replace(" Safari", " Mobile Safari")


@pytest.mark.parametrize(
    ("agent", "touch", "device"),
    [
        (WINDOWS, 0, "desktop"), (WINDOWS, 10, "desktop"), (MAC, 0, "desktop"), (MAC, 5, "tablet"),
        (IPHONE, 5, "mobile"), (TABLET, 5, "tablet"), (PHONE, 5, "mobile"), ("", 0, "other"), ("Nintendo", 0, "other"),
    ],
)  # fmt: skip
def test_given_what_a_browser_calls_itself_then_the_kind_of_device(agent, touch, device):
    assert device_of(agent, touch) == device


@pytest.mark.parametrize("agent", [WINDOWS, IPHONE, MAC, TABLET, PHONE, YANDEX])
def test_given_a_browser_of_a_person_then_it_is_no_robot(agent):
    assert is_bot(agent) is False


@pytest.mark.parametrize(
    "agent", ["", " ", "x" * 2000, "python-requests/2.32", "Mozilla/5.0 (compatible; bingbot/2.0)"]
)
def test_given_a_robot_then_it_is_one(agent):
    assert is_bot(agent) is True


@pytest.mark.parametrize(
    ("header", "zone", "region"),
    [
        ("GB", "Europe/Moscow", "GB"), ("gb-lnd", None, "GB-LND"), (None, "Europe/Moscow", "RU"),
        ("XX", "Asia/Almaty", "KZ"), ("<b>", "Europe/Kiev", "UA"), (None, "Asia/Calcutta", "IN"),
        (None, "Mars/Olympus", None), (None, None, None),
    ],
)  # fmt: skip
def test_given_a_proxys_word_or_a_time_zone_then_the_region(header, zone, region):
    assert region_of(header, zone) == region


def test_given_an_address_then_only_what_the_site_wants_is_kept():
    key = b"k" * 32
    assert kept_of_address("203.0.113.77", "truncated", key) == ("203.0.113.0/24", None)
    assert kept_of_address("2001:db8:1:2::7", "truncated", key) == ("2001:db8:1::/48", None)
    assert kept_of_address("203.0.113.77", "none", key) == (None, None)
    assert kept_of_address("nonsense", "truncated", key) == kept_of_address(None, "hashed", key) == (None, None)
    network, hashed = kept_of_address("203.0.113.77", "hashed", key)
    assert network is None
    assert hashed == kept_of_address("::ffff:203.0.113.77", "hashed", key)[1]
    others = {kept_of_address("203.0.113.78", "hashed", key)[1], kept_of_address("203.0.113.77", "hashed", b"x")[1]}
    assert hashed not in others


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("international", "+7 495 123-45-67"),
        ("national", "8 (495) 123-45-67"),
        ("8 (###) ###-##-##", "8 (495) 123-45-67"),
        ("as_found", "+7 495 123-45-67"),
        ("####", "+7 495 123-45-67"),
    ],
)
def test_given_a_format_then_the_number_is_written_so(form, text):
    assert formatted("+74951234567", form) == text


def test_given_a_place_then_the_page_is_told_in_the_order_of_its_choices():
    place = Place(name="sales", numbers=["+442079460000"])
    chosen = (Choice("^\\/a$", Show(real=True), "no"), Choice(None, Show(pool_id=uuid4()), "pool"))
    told = place_document(PlaceShown(place, chosen, (None, "+442079460001")))
    assert told["shows"] == [
        {"pages": "^\\/a$", "number": None},
        {"pages": None, "number": "+44 2079460001"},
    ]
    assert (told["numbers"], told["as_found"]) == (["+44 2079460000"], True)
    assert [spaced(one) for one in ("+12025550100", "+74951234567", "+35315550100")] == [
        "+1 2025550100", "+7 4951234567", "+353 15550100",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "shown", "text"),
    [
        (Place(name="sales", numbers=["+442079460000", "+12025550100"]), "+442079460001", "+44 20 7946 0001"),
        (Place(name="sales", numbers=["+353155501000"]), "+442079460001", "+44 20 7946 0001"),
        (Place(name="sales", numbers=["+442079460000"], format="national"), "+442079460001", "020 7946 0001"),
    ],
)
def test_given_a_number_that_may_not_fit_the_shape_of_the_real_one_then_the_page_is_told_how_to_write_it(
    place, shown, text
):
    told = place_document(PlaceShown(place, (Choice(None, Show(pool_id=uuid4()), "pool"),), (shown,)))
    assert told["shows"][0]["text"] == text


def test_given_a_visits_id_then_it_tells_when_the_visit_began():
    assert moment_of(new_id(now_ms=1_764_000_000_123)).timestamp() == pytest.approx(1_764_000_000.123)
    with pytest.raises(ValueError, match="visit's id"):
        moment_of(uuid4())


class TestRates:
    def test_given_more_than_the_rate_then_it_fills_up_again_with_time(self):
        now = [0.0]
        rates = Rates(6, lambda: now[0])
        assert [rates.wait_s("a") for _ in range(6)] == [0.0] * 6
        assert rates.wait_s("a") == pytest.approx(10)
        assert rates.wait_s("b") == 0
        now[0] = 10.0
        assert (rates.wait_s("a"), rates.wait_s("a")) == (0, pytest.approx(10))

    def test_given_many_keys_then_the_oldest_is_forgotten_and_no_more_are_kept(self):
        rates = Rates(1, lambda: 0.0, most_keys=2)
        assert [rates.wait_s(key) for key in "abc"] == [0, 0, 0]
        assert rates.wait_s("c") > 0
        assert rates.wait_s("a") == 0

    def test_given_no_rate_then_any_number(self):
        rates = Rates(0, lambda: 0.0)
        assert {rates.wait_s("a") for _ in range(1000)} == {0.0}


class TestSigns:
    def test_given_many_signs_then_each_visit_is_written_once_and_by_agency(self):
        written, came = [], threading.Event()

        def write(agency, visits):
            written.append((agency, dict(visits)))
            came.set()

        first, second, visit, other = (uuid4() for _ in range(4))
        signs = Signs(write, gather_s=0.05)
        for known in ({"ga": "1.2"}, {}, {"ym": "1787200000123456789"}):
            signs.add(first, visit, known)
        signs.add(first, other)
        signs.add(second, visit)
        assert came.wait(5)
        signs.flush()
        known = {"ga": "1.2", "ym": "1787200000123456789"}
        assert dict(written) == {first: {visit: known, other: {}}, second: {visit: {}}}
        assert len(written) == 2

    def test_given_more_than_may_wait_or_a_database_that_is_away_then_they_are_dropped(self):
        def away(agency, visits):
            raise DatabaseUnavailable

        signs = Signs(away, gather_s=60, most_waiting=2)
        for _ in range(5):
            signs.add(uuid4(), uuid4())
        assert len(signs._waiting) == 2
        signs.flush()
        assert signs._waiting == {}
