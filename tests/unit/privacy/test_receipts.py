"""A receipt is one text, and any other text or key is not it."""

from datetime import UTC, datetime

import pytest

from dialtrace.cli_privacy import ReceiptUnverified, verify_receipt
from dialtrace.privacy.errors import ReceiptForged
from dialtrace.privacy.receipts import SigningKey, canonical, key_id_of, verify

KEY = SigningKey.from_bytes(bytes(range(32)))
TEXT = canonical({"kind": "erase", "counts": {"calls": 3}, "made_at": datetime(2026, 3, 1, tzinfo=UTC)})


def test_given_a_document_then_its_text_is_canonical():
    assert TEXT == '{"counts":{"calls":3},"kind":"erase","made_at":"2026-03-01T00:00:00Z"}'


def test_given_a_signed_text_then_it_verifies_and_a_changed_one_does_not():
    signature = KEY.sign(TEXT)
    verify(TEXT, signature, KEY.public_bytes)
    for text, key in ((TEXT.replace("3", "2"), KEY), (TEXT, SigningKey.generate())):
        with pytest.raises(ReceiptForged):
            verify(text, signature, key.public_bytes)


def test_given_a_known_key_then_its_signature_is_what_rfc_8032_says():
    key = SigningKey.from_bytes(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert key.public_bytes.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign("").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")


def test_given_a_receipt_as_the_api_gives_it_then_the_command_verifies_it():
    import base64

    published = {"keys": [{"kid": KEY.key_id, "x": base64.urlsafe_b64encode(KEY.public_bytes).decode().rstrip("=")}]}
    receipt = {"document": TEXT, "signature": base64.b64encode(KEY.sign(TEXT)).decode(), "key_id": KEY.key_id}
    assert verify_receipt(receipt, published)["counts"] == {"calls": 3}
    with pytest.raises(ReceiptForged):
        verify_receipt({**receipt, "document": TEXT + " "}, published)
    with pytest.raises(ReceiptUnverified, match="beef"):
        verify_receipt({**receipt, "key_id": "beef"}, published)
    assert KEY.key_id == key_id_of(KEY.public_bytes)
