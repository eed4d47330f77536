"""Agencies, clients and keys on the real database."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy.exc
from sqlalchemy import text

from dialtrace.db.tables import OPERATOR_AGENCY
from dialtrace.ids import new_id
from dialtrace.tenancy.errors import AgencyUnknown, ClientUnknown, InvalidKey, KeyUnknown, ValueRefused
from dialtrace.tenancy.model import parse_token


def all_pages(read):
    """Every item, read one by one, and how many pages that took."""
    items, after, pages = [], None, 0
    while pages == 0 or after is not None:
        page = read(limit=1, after=after)
        items, after, pages = [*items, *page.items], page.next, pages + 1
    return items, pages


class TestAgenciesAndClients:
    def test_given_an_agency_when_made_then_it_can_be_read(self, tenancy, agency):
        assert tenancy.get_agency(agency.id) == agency
        assert (agency.name, agency.status, agency.version) == ("First", "active", 1)

    def test_given_agencies_when_listed_then_each_once_in_the_order_of_their_making(self, tenancy, agency):
        second = tenancy.create_agency("Second")
        items, pages = all_pages(tenancy.list_agencies)
        assert [str(items[0].id), *items[1:]] == [OPERATOR_AGENCY, agency, second]
        assert pages == 3

    def test_given_clients_when_listed_then_only_the_agencys_and_for_a_client_only_itself(
        self, tenancy, agency, client, stranger
    ):
        sibling = tenancy.create_client(agency.id, "Sibling", "UTC")
        items, pages = all_pages(lambda **place: tenancy.list_clients(agency.id, **place))
        assert (items, pages) == ([client, sibling], 2)
        assert tenancy.list_clients(agency.id, sibling.id).items == [sibling]
        assert tenancy.list_clients(agency.id, stranger.id).items == []

    def test_given_a_client_then_it_is_read_by_its_own_agency_only(self, tenancy, agency, client, stranger):
        assert tenancy.get_client(agency.id, client.id) == client
        for holder, wanted in ((agency.id, stranger.id), (stranger.agency_id, client.id), (agency.id, new_id())):
            with pytest.raises(ClientUnknown):
                tenancy.get_client(holder, wanted)

    def test_given_an_agency_that_is_not_there_then_unknown(self, tenancy):
        with pytest.raises(AgencyUnknown):
            tenancy.get_agency(new_id())
        with pytest.raises(AgencyUnknown):
            tenancy.create_client(new_id(), "x", "UTC")
        with pytest.raises(AgencyUnknown):
            tenancy.create_key(new_id(), role="agency", name="x")
        with pytest.raises(AgencyUnknown):
            tenancy.set_agency_status(new_id(), "suspended")

    def test_given_values_that_are_not_usable_then_nothing_is_kept(self, tenancy, agency):
        for faulty in (("", "UTC"), ("x", "Mars/Olympus")):
            with pytest.raises(ValueRefused):
                tenancy.create_client(agency.id, *faulty)
        assert tenancy.list_clients(agency.id).items == []


class TestKeys:
    def test_given_a_key_when_used_then_it_says_who_asks(self, tenancy, agency, client):
        key, token = tenancy.create_key(agency.id, role="agency", name="partner")
        whole = tenancy.authenticate(token)
        assert (whole.agency_id, whole.client_id, whole.role, whole.key_id) == (agency.id, None, "agency", key.id)
        key, token = tenancy.create_key(agency.id, role="client", name="console", client_id=client.id)
        one = tenancy.authenticate(token)
        assert (one.agency_id, one.client_id, one.role, one.key_id) == (agency.id, client.id, "client", key.id)

    def test_given_a_key_then_its_secret_is_nowhere_in_the_database(self, tenancy, agency, owner_engine):
        _, token = tenancy.create_key(agency.id, role="agency", name="x")
        with owner_engine.connect() as connection:
            kept = connection.execute(text("SELECT api_keys::text, encode(secret_hash, 'escape') FROM api_keys")).one()
        assert parse_token(token).secret not in str(kept)

    def test_given_a_wrong_secret_a_foreign_agency_or_another_id_then_the_same_refusal(self, tenancy, agency, stranger):
        _, token = tenancy.create_key(agency.id, role="agency", name="x")
        sent = parse_token(token)
        forged = [
            replace(sent, secret="A" * 43),
            replace(sent, agency_id=stranger.agency_id),
            replace(sent, key_id=new_id()),
        ]
        answers = set()
        for wrong in (*(one.format() for one in forged), "dt_x", ""):
            with pytest.raises(InvalidKey) as refused:
                tenancy.authenticate(wrong)
            answers.add(str(refused.value))
        assert len(answers) == 1

    def test_given_a_key_that_expires_then_it_opens_until_that_moment(self, tenancy, agency, clock):
        _, token = tenancy.create_key(
            agency.id, role="agency", name="x", expires_at=clock.now() + timedelta(seconds=60)
        )
        clock.moment += timedelta(seconds=59)
        tenancy.authenticate(token)
        clock.moment += timedelta(seconds=1)
        with pytest.raises(InvalidKey):
            tenancy.authenticate(token)

    def test_given_a_revoked_key_then_it_is_shut_for_good_and_the_first_moment_stays(self, tenancy, agency, clock):
        key, token = tenancy.create_key(agency.id, role="agency", name="x")
        first = tenancy.revoke_key(agency.id, key.id)
        clock.moment += timedelta(hours=1)
        assert tenancy.revoke_key(agency.id, key.id) == first
        with pytest.raises(InvalidKey):
            tenancy.authenticate(token)

    def test_given_a_key_in_use_then_its_last_use_is_noted_once_a_minute(self, tenancy, agency, clock, owner_engine):
        key, token = tenancy.create_key(agency.id, role="agency", name="x")
        began = clock.now()
        noted = []
        for after_s in (0, 59, 60, 119, 121):
            clock.moment = began + timedelta(seconds=after_s)
            tenancy.authenticate(token)
            noted.append((tenancy.get_key(agency.id, key.id).last_used_at - began).total_seconds())
        assert noted == [0, 0, 60, 60, 121]

    def test_given_keys_then_only_their_agency_lists_and_revokes_them(self, tenancy, agency, stranger):
        key, _ = tenancy.create_key(agency.id, role="agency", name="x")
        other, _ = tenancy.create_key(agency.id, role="agency", name="y")
        assert all_pages(lambda **place: tenancy.list_keys(agency.id, **place)) == ([key, other], 2)
        assert tenancy.list_keys(stranger.agency_id).items == []
        for use in (tenancy.revoke_key, tenancy.get_key):
            with pytest.raises(KeyUnknown):
                use(stranger.agency_id, key.id)
        assert tenancy.get_key(agency.id, key.id).revoked_at is None

    def test_given_a_client_of_another_agency_then_no_key_is_made_for_it(self, tenancy, agency, stranger):
        with pytest.raises(ClientUnknown):
            tenancy.create_key(agency.id, role="client", name="x", client_id=stranger.id)

    def test_given_an_operators_key_then_only_the_operators_agency_may_have_it(self, tenancy, agency, owner_engine):
        _, token = tenancy.create_key(OPERATOR_AGENCY, role="operator", name="x")
        assert tenancy.authenticate(token).role == "operator"
        with pytest.raises(ValueRefused, match="operator"):
            tenancy.create_key(agency.id, role="operator", name="x")
        tenancy.create_key(agency.id, role="agency", name="x")
        with pytest.raises(sqlalchemy.exc.IntegrityError), owner_engine.begin() as connection:
            connection.execute(text("UPDATE api_keys SET role = 'operator'"))
