"""Standard Webhooks: the vector of the reference, and what must never be signed."""

import pytest

from dialtrace.outgoing.signing import format_secret, parse_secret, signed_headers

# contracts/08-outgoing-webhooks.md, "Test vector".
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ID = "msg_test_0001"
STAMP_S = 1787210142
BODY = b'{"type":"call.completed","timestamp":"2026-08-20T07:15:42Z","data":{"id":"call_01J0TEST"}}'
SIGNATURE = "v1,7mXb/8SHtSqNZjvO1x+uL7krbsM/YXXL5cJdlTyadgo="


def test_given_the_references_vector_when_signed_then_the_headers_are_the_references():
    headers = signed_headers([parse_secret(SECRET)], message_id=ID, timestamp_s=STAMP_S, body=BODY)
    assert headers == {"webhook-id": ID, "webhook-timestamp": "1787210142", "webhook-signature": SIGNATURE}


def test_given_two_keys_when_signed_then_both_signatures_stand_in_one_header_in_their_order():
    headers = signed_headers([b"n" * 32, bytes(range(32))], message_id=ID, timestamp_s=STAMP_S, body=BODY)
    first, second = headers["webhook-signature"].split(" ")
    assert second == SIGNATURE
    assert first.startswith("v1,")
    assert first != second


def test_given_a_secret_then_its_text_and_its_key_are_two_forms_of_one_thing():
    assert parse_secret(SECRET) == bytes(range(32))
    assert format_secret(bytes(range(32))) == SECRET


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "begins with whsec_"),
        ("whsec_not base64!", "ends in base64"),
        ("whsec_c2hvcnQ=", "24 to 64 bytes"),
        ("whsec_" + "QUFB" * 22, "24 to 64 bytes"),
    ],
)
def test_given_a_text_that_is_no_secret_when_parsed_then_refused_with_the_reason(text, why):
    with pytest.raises(ValueError, match=why):
        parse_secret(text)


@pytest.mark.parametrize("message_id", ["msg.1", "", "msg\n1", "вызов"])
def test_given_an_id_that_makes_two_messages_look_alike_when_signed_then_refused(message_id):
    with pytest.raises(ValueError, match="without a dot"):
        signed_headers([bytes(32)], message_id=message_id, timestamp_s=STAMP_S, body=BODY)
