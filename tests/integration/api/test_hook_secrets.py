"""The secret of a client's web hooks: its agency reads and changes it, and nobody else."""

from sqlalchemy import text

from dialtrace.outgoing.signing import parse_secret


def address_of(tenant):
    return f"/v1/clients/{tenant.client['id']}/hook-secret"


def test_given_a_client_when_its_secret_is_read_twice_then_it_was_made_once(tenant):
    first = tenant.agency_key.get(address_of(tenant))
    assert first.status_code == 200, first.text
    told = first.get_json()
    assert len(parse_secret(told["secret"])) == 32
    assert (told["client_id"], told["previous_until"]) == (tenant.client["id"], None)
    assert tenant.agency_key.get(address_of(tenant)).get_json() == told
    assert first.headers["Cache-Control"] == "no-store"


def test_given_a_secret_when_rotated_then_the_old_one_signs_too_and_the_one_before_it_no_longer(tenant, owner_engine):
    secrets = [tenant.agency_key.get(address_of(tenant)).get_json()["secret"]]
    for _ in range(2):
        answer = tenant.agency_key.post(address_of(tenant), None)
        assert answer.status_code == 201, answer.text
        assert answer.get_json()["previous_until"] is not None
        secrets.append(answer.get_json()["secret"])
    assert len(set(secrets)) == 3
    assert tenant.agency_key.get(address_of(tenant)).get_json()["secret"] == secrets[-1]
    with owner_engine.connect() as connection:
        query = text(
            "SELECT secret, expires_at BETWEEN now() + interval '23 hours' AND now() + interval '24 hours' AS leaves"
            " FROM hook_secrets ORDER BY made_at"
        )
        kept = [(bytes(row.secret), row.leaves) for row in connection.execute(query)]
    assert kept == [(parse_secret(secrets[1]), True), (parse_secret(secrets[2]), None)]


def test_given_a_client_without_a_secret_when_rotated_then_it_has_one_and_none_before_it(tenant):
    answer = tenant.agency_key.post(address_of(tenant), None)
    assert (answer.status_code, answer.get_json()["previous_until"]) == (201, None)


def test_given_an_idempotency_key_when_a_rotation_is_repeated_then_nothing_changes_and_the_secret_is_not_told_again(
    tenant,
):
    first = tenant.agency_key.post(address_of(tenant), None, Idempotency_Key="once")
    again = tenant.agency_key.post(address_of(tenant), None, Idempotency_Key="once")
    assert (again.status_code, again.get_json()["secret"]) == (201, None)
    assert tenant.agency_key.get(address_of(tenant)).get_json()["secret"] == first.get_json()["secret"]


def test_given_the_clients_own_key_then_it_may_neither_read_nor_rotate(tenant):
    assert tenant.client_key.get(address_of(tenant)).status_code == 403
    assert tenant.client_key.post(address_of(tenant), None).status_code == 403


def test_given_a_client_that_is_not_there_then_not_found(tenant):
    address = f"/v1/clients/{tenant.target['id']}/hook-secret"
    assert tenant.agency_key.get(address).status_code == 404
    assert tenant.agency_key.post(address, None).status_code == 404
