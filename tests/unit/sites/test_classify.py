"""Where a visit came from: the list of sources, read honestly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.sites.addresses import kept_address, path_pattern, read_address, written
from dialtrace.sites.classify import classify
from dialtrace.sites.errors import SiteFaulty, SourceDataBroken
from dialtrace.sites.source_rules import read_source_rules
from dialtrace.sites.sources import make_book, source_book

BOOK = source_book()


def seen(landing="https://shop.example/", referrer=None, **more):
    return classify(landing, referrer, book=BOOK, **more)


def short(source):
    return (source.channel, source.source, source.medium)


@pytest.mark.parametrize(
    ("query", "channel", "source"),
    [
        ("gclid=Cj0KCQ", "paid_search", "google"),
        ("gbraid=0AAAAA", "paid_search", "google"),
        ("wbraid=CkEKCQ", "paid_search", "google"),
        ("dclid=CMW1", "display", "google"),
        ("yclid=1234567890", "paid_search", "yandex"),
        ("ysclid=lk4j5", "organic_search", "yandex"),
        ("msclkid=5a6b", "paid_search", "bing"),
        ("fbclid=IwAR0", "social", "facebook"),
        ("vkclid=77", "paid_social", "vk"),
        ("rb_clickid=77", "paid_social", "vk"),
        ("ttclid=E.C.P", "paid_social", "tiktok"),
        ("twclid=2-4", "paid_social", "x"),
        ("ScCid=8a", "paid_social", "snapchat"),
        ("srsltid=AfmBO", "organic_search", "google"),
    ],
)
def test_given_a_click_id_then_its_system_is_known(query, channel, source):
    found = seen(f"https://shop.example/?{query}")
    name, value = query.split("=")
    assert (found.channel, found.source) == (channel, source)
    assert found.click_ids == {name.lower(): value}
    assert found.classified_by == f"click_id:{name.lower()}"


@pytest.mark.parametrize(
    ("referrer", "channel", "source"),
    [
        ("https://www.google.com/", "organic_search", "google"),
        ("https://www.google.co.uk/", "organic_search", "google"),
        ("https://yandex.ru/", "organic_search", "yandex"),
        ("https://ya.ru/", "organic_search", "yandex"),
        ("https://xn--d1acpjx3f.xn--p1ai/", "organic_search", "yandex"),
        ("https://go.mail.ru/search", "organic_search", "mail.ru"),
        ("https://uk.search.yahoo.com/", "organic_search", "yahoo"),
        ("https://duckduckgo.com/", "organic_search", "duckduckgo"),
        ("https://e.mail.ru/", "email", "mail.ru_mail"),
        ("https://mail.google.com/", "email", "gmail"),
        ("android-app://com.google.android.gm/", "email", "gmail"),
        ("https://l.facebook.com/", "social", "facebook"),
        ("https://lm.facebook.com/", "social", "facebook"),
        ("https://away.vk.com/", "social", "vk"),
        ("https://t.co/abc", "social", "x"),
        ("https://web.telegram.org/", "messenger", "telegram"),
        ("https://www.youtube.com/", "video", "youtube"),
        ("https://maps.google.com/", "maps", "google_maps"),
        ("https://2gis.ru/", "maps", "2gis"),
        ("https://chatgpt.com/", "assistant", "chatgpt"),
        ("https://www.avito.ru/", "marketplace", "avito"),
    ],
)
def test_given_a_referrer_of_the_list_then_its_channel(referrer, channel, source):
    found = seen(referrer=referrer)
    assert (found.channel, found.source, found.classified_by) == (channel, source, f"referrer:{source}")


@pytest.mark.parametrize(
    "referrer",
    [
        "https://notgoogle.com/",
        "https://google.com.evil.example/",
        "https://google.evil/",
        "https://docs.google.com/",
        "https://metrika.yandex.ru/",
        "https://not-linkedin.com/",
        "https://facebook.com.example.org/",
        "https://blog.example.org/google",
    ],
)
def test_given_a_host_that_only_looks_like_one_of_the_list_then_it_is_a_referral_from_itself(referrer):
    found = seen(referrer=referrer)
    assert (found.channel, found.medium) == ("referral", "referral")
    assert found.source == read_address(referrer).host.removeprefix("www.")


def test_given_words_that_only_hold_a_known_word_then_nothing_is_guessed():
    found = seen("https://shop.example/?utm_source=not-linkedin&utm_medium=mycpcmedium")
    assert short(found) == ("other", "not-linkedin", "mycpcmedium")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("utm_source=google&utm_medium=cpc", ("paid_search", "google", "cpc")),
        ("utm_source=yandex_direct&utm_medium=cpc", ("paid_search", "yandex", "cpc")),
        ("utm_source=VK&utm_medium=CPC", ("paid_social", "vk", "cpc")),
        ("utm_source=site.example&utm_medium=cpc", ("paid", "site.example", "cpc")),
        ("utm_source=news&utm_medium=email", ("email", "news", "email")),
        ("utm_source=admitad&utm_medium=cpa", ("paid", "admitad", "cpa")),
        ("utm_source=flyer-7&utm_medium=qr", ("offline", "flyer-7", "qr")),
        ("utm_source=bank&utm_medium=partner", ("partner", "bank", "partner")),
        ("utm_source=telegram", ("messenger", "telegram", None)),
        ("utm_source=google", ("other", "google", None)),
        ("utm_source=facebook&utm_medium=paid&fbclid=x", ("paid_social", "facebook", "paid")),
        ("utm_medium=cpc&fbclid=x", ("paid_social", "facebook", "cpc")),
        ("utm_campaign=spring", ("other", "unknown", None)),
    ],
)
def test_given_utm_parameters_then_their_words_are_read_whole(query, expected):
    assert short(seen(f"https://shop.example/?{query}")) == expected


def test_given_a_click_id_and_utm_then_the_id_proves_the_system_and_utm_names_the_rest():
    page = (
        "https://shop.example/?gclid=abc&utm_source=newsletter&utm_medium=display&utm_campaign=Spring%20sale"
        "&utm_content=banner-1&utm_term=%D0%BE%D0%BA%D0%BD%D0%B0"
    )
    found = seen(page, "https://www.google.com/")
    assert short(found) == ("display", "google", "display")
    assert (found.campaign, found.content, found.keyword) == ("Spring sale", "banner-1", "окна")


def test_given_a_weak_click_id_and_somebody_who_refers_then_the_referrer_counts():
    found = seen("https://shop.example/?ysclid=copied", "https://www.google.com/")
    assert short(found) == ("organic_search", "google", "organic")
    assert found.click_ids == {"ysclid": "copied"}
    assert short(seen("https://shop.example/?fbclid=1", "https://l.instagram.com/")) == (
        "social",
        "instagram",
        "social",
    )


def test_given_a_search_that_tells_what_was_searched_then_the_keyword():
    assert seen(referrer="https://go.mail.ru/search?q=windows+london").keyword == "windows london"


@pytest.mark.parametrize("value", ["{campaign_name}", "{{campaign.name}}", "%7Bkeyword%7D", "", "%20", "%00"])
def test_given_a_placeholder_that_nobody_filled_in_then_it_says_nothing(value):
    found = seen(f"https://shop.example/?utm_source=google&utm_medium=cpc&utm_campaign={value}")
    assert found.campaign is None


def test_given_the_sites_own_domain_or_nothing_then_direct():
    assert short(seen()) == ("direct", "direct", None)
    own = seen(referrer="https://www.shop.example/basket", own_hosts=["shop.example", "pay.example"])
    paid = seen(referrer="https://pay.example/done", own_hosts=["shop.example", "pay.example"])
    assert short(own) == short(paid) == ("direct", "direct", None)


def test_given_a_route_in_the_fragment_then_its_parameters_count():
    assert seen("https://shop.example/#/offer?utm_source=bank&utm_medium=partner").channel == "partner"


@pytest.mark.parametrize(
    "page", ["", "x", "https://", "http://[::1", "javascript:alert(1)", "https://a/?" + "a=1&" * 300]
)
def test_given_an_address_that_cannot_be_read_then_it_says_nothing(page):
    assert seen(page, page).channel == "direct"


@given(st.text(), st.text())
def test_given_any_text_then_some_channel_of_the_list(page, referrer):
    assert seen("https://shop.example/?" + page, referrer).channel in BOOK.channels
    assert seen(page, "https://" + referrer).channel in BOOK.channels


class TestOwnRules:
    RULES = read_source_rules(
        [
            {
                "name": "bank",
                "when": {"parameters": {"Partner": ["bank-1", "bank-2"]}},
                "set": {"channel": "partner", "source": {"parameter": "partner"}, "campaign": "loans"},
            },
            {"when": {"referrers": ["пример.рф"]}, "set": {"channel": "partner", "source": "primer"}},
            {"when": {"landing_paths": ["/tv/*"]}, "set": {"channel": "offline", "source": "tv"}},
        ]
    )

    def test_given_a_rule_that_fits_then_it_goes_before_all_else(self):
        found = seen("https://shop.example/?partner=BANK-2&gclid=1&utm_medium=x", own_rules=self.RULES)
        assert (found.channel, found.source, found.campaign) == ("partner", "BANK-2", "loans")
        assert found.classified_by == "own:bank"
        assert found.click_ids == {"gclid": "1"}

    def test_given_another_value_then_it_does_not_fit(self):
        assert seen("https://shop.example/?partner=bank-22", own_rules=self.RULES).channel == "direct"

    def test_given_hosts_and_paths_then_they_are_read_whole(self):
        refer = "https://shop.xn--e1afmkfd.xn--p1ai/"
        assert short(seen(referrer=refer, own_rules=self.RULES)) == ("partner", "primer", None)
        assert seen("https://shop.example/tv/spot-1", own_rules=self.RULES).classified_by == "own:3"
        assert seen("https://shop.example/about/tv/", own_rules=self.RULES).channel == "direct"

    def test_given_faulty_rules_then_each_fault_with_its_place(self):
        with pytest.raises(SiteFaulty) as caught:
            read_source_rules(
                [
                    {"when": {}, "set": {"channel": "partner", "source": "x"}},
                    {"when": {"referrers": ["https://a.example/"]}, "set": {"channel": "radio", "source": ""}},
                ]
            )
        places = {fault.pointer for fault in caught.value.faults}
        assert places >= {"/0/when", "/1/when/referrers/0", "/1/set/channel", "/1/set/source"}


class TestAddresses:
    def test_given_a_landing_page_then_only_parameters_of_sources_are_kept(self):
        page = read_address("https://shop.example/a?email=a@b.example&utm_source=x&gclid=1&phone=44#me")
        assert written(kept_address(page, BOOK.kept_parameters)) == "https://shop.example/a?utm_source=x&gclid=1"

    @pytest.mark.parametrize(
        ("pattern", "path", "fits"),
        [
            ("/a/*", "/a/b/c", True),
            ("/a/*", "/b/a/c", False),
            ("/a.b", "/acb", False),
            ("*/contacts", "/en/contacts", True),
            ("/a", "/a/", False),
            ("/[x]", "/[x]", True),
        ],
    )
    def test_given_a_pattern_then_it_fits_whole_paths(self, pattern, path, fits):
        import re

        assert bool(re.search(path_pattern(pattern), path)) is fits


def test_given_a_list_that_contradicts_itself_then_it_is_not_read():
    data = {
        "channels": ["social"],
        "click_ids": [],
        "media": {"social": ["smm"]},
        "aliases": {},
        "search": {"keyword_parameters": []},
        "landing": {"kept": []},
        "sources": [
            {"source": "a", "kind": "social", "hosts": ["x.example"]},
            {"source": "b", "kind": "social", "hosts": ["x.example"]},
        ],
    }
    with pytest.raises(SourceDataBroken, match=r"x\.example stands under a and b"):
        make_book(data)


def test_given_the_aliases_then_each_leads_to_a_source_that_is_known_or_to_itself():
    assert {alias for alias, source in BOOK.aliases.items() if source not in BOOK.kinds and alias != source} == set()
