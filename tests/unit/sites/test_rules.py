"""Which rule counts for a visit."""

import json
import re
from pathlib import Path
from uuid import UUID

import pytest

from dialtrace.sites.addresses import read_address
from dialtrace.sites.classify import Source
from dialtrace.sites.errors import SiteFaulty
from dialtrace.sites.rules import VisitFacts, choices, read_site_rules
from dialtrace.sites.source_rules import read_source_rules
from dialtrace.sites.sources import source_book

RADIO, CARD, EXACT, FIRST, SECOND = (f"0199a3c2-7d40-7b1e-8f2a-00000000000{n}" for n in range(5))
PLACES = [{"name": "sales", "numbers": ["+442079460000"]}, {"name": "help", "numbers": ["+442079460001"]}]


def facts(**changes):
    values = {
        "landing": read_address(changes.pop("landing", "https://shop.example/")),
        "referrer": read_address(changes.pop("referrer", None)),
        "source": Source("paid_search", "google", campaign="Spring"),
        "device": "desktop",
        "region": "GB-LND",
    }
    return VisitFacts(**{**values, **changes})


def chosen(rules, place=0, **changes):
    document = read_site_rules({"places": PLACES, "rules": rules})
    return [choice.rule for choice in choices(document, document.places[place], facts(**changes))]


def rule(name, show, **more):
    return {"name": name, "show": show, **more}


ALL = [
    rule("pool, always", {"pool_id": FIRST}),
    rule("pool, landing", {"pool_id": SECOND}, when={"landing_parameters": {"gclid": []}}),
    rule("always", {"number_id": RADIO}),
    rule("group", {"number_id": CARD}, when={"sources": ["Google"]}),
    rule("host", {"number_id": CARD}, when={"referrers": ["google.com"]}),
    rule("landing", {"number_id": EXACT}, when={"landing_parameters": {"gclid": []}}),
]


@pytest.mark.parametrize(
    ("without", "first"),
    [(0, "landing"), (1, "host"), (2, "group"), (3, "always"), (4, "pool, landing"), (5, "pool, always")],
)
def test_given_rules_of_every_kind_then_a_sources_number_goes_before_a_pool_and_the_exact_before_the_general(
    without, first
):
    order = ["landing", "host", "group", "always", "pool, landing"]
    left = [one for one in ALL if one["name"] not in order[:without]]
    assert chosen(left, landing="https://shop.example/?gclid=1", referrer="https://www.google.com/")[0] == first


def test_given_a_rule_that_keeps_the_real_number_then_it_goes_before_all():
    found = chosen([*ALL, rule("press", {"real": True}, on={"pages": ["/press/*"]})])
    assert found == ["press", "group"]


def test_given_rules_for_pages_then_all_up_to_the_first_for_everywhere_are_told():
    found = chosen(
        [
            rule("everywhere", {"pool_id": FIRST}),
            rule("never reached", {"pool_id": SECOND}, on={"pages": ["/x"]}),
            rule("contacts", {"number_id": CARD}, on={"pages": ["/contacts", "/en/*"]}),
        ]
    )
    assert found == ["contacts", "everywhere"]


@pytest.mark.parametrize(
    ("more", "fits"),
    [
        ({"on": {"devices": ["mobile"]}}, False),
        ({"on": {"devices": ["mobile", "desktop"]}}, True),
        ({"on": {"regions": ["GB"]}}, True),
        ({"on": {"regions": ["GB-LND"]}}, True),
        ({"on": {"regions": ["GB-L", "FR"]}}, False),
        ({"when": {"campaigns": ["spring"]}}, True),
        ({"when": {"campaigns": ["spring sale"]}}, False),
        ({"when": {"channels": ["paid_search"]}}, True),
        ({"when": {"sources": ["goo"]}}, False),
        ({"when": {"referrers": ["example.org"]}}, False),
        ({"places": ["help"]}, False),
        ({"places": ["sales"]}, True),
    ],
)
def test_given_a_condition_then_it_is_asked_whole(more, fits):
    assert bool(chosen([rule("one", {"number_id": CARD}, **more)])) is fits


def test_given_a_visit_without_a_region_then_no_region_fits():
    assert chosen([rule("one", {"number_id": CARD}, on={"regions": ["GB"]})], region=None) == []


def test_given_rules_then_what_they_name_can_be_checked():
    document = read_site_rules({"places": PLACES, "rules": ALL})
    assert [pointer for pointer, _ in document.pool_ids()] == ["/rules/0/show/pool_id", "/rules/1/show/pool_id"]
    assert next(iter(document.number_ids())) == ("/rules/2/show/number_id", UUID(RADIO))


@pytest.mark.parametrize(
    "document", [[], {"places": [PLACES[0], PLACES[0]]}, {"rules": [rule("x", {"real": True}, places=["nowhere"])]}]
)
def test_given_a_document_that_contradicts_itself_then_refused(document):
    with pytest.raises(SiteFaulty):
        read_site_rules(document)


class TestThePage:
    """What docs/sites.md shows can be sent as it stands."""

    BLOCKS = re.findall(r"```json\n(.*?)```", (Path(__file__).parents[3] / "docs/sites.md").read_text(), re.DOTALL)

    def test_given_its_examples_then_they_are_read(self):
        rules, sources = map(json.loads, self.BLOCKS)
        assert len(read_site_rules(rules).rules) == 4
        assert len(read_source_rules(sources)) == 2

    def test_given_the_channels_then_all_are_listed(self):
        page = (Path(__file__).parents[3] / "docs/sites.md").read_text()
        assert [one for one in source_book().channels if f"`{one}`" not in page] == []
