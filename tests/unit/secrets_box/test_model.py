"""What is sealed opens with its keys, for its purpose, and in no other way."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtrace.secrets_box.errors import MasterKeyMissing, MasterKeysFaulty, SealBroken
from dialtrace.secrets_box.master_keys import make_master_key, parse_master_keys
from dialtrace.secrets_box.model import SecretsBox

OLD, NEW = b"o" * 32, b"n" * 32


@given(plain=st.binary(max_size=200), purpose=st.text(max_size=40))
def test_given_anything_when_sealed_then_it_opens_and_never_looks_the_same_twice(plain, purpose):
    box = SecretsBox([NEW])
    sealed = box.seal(plain, purpose=purpose)
    assert box.open(sealed, purpose=purpose) == plain
    assert sealed != box.seal(plain, purpose=purpose)
    assert len(plain) < 4 or plain not in sealed


def test_given_another_purpose_when_opened_then_refused():
    sealed = SecretsBox([NEW]).seal(b"secret", purpose="trunk 1")
    with pytest.raises(SealBroken):
        SecretsBox([NEW]).open(sealed, purpose="trunk 2")


@given(place=st.integers(min_value=0, max_value=42), flip=st.integers(min_value=1, max_value=255))
def test_given_any_changed_byte_when_opened_then_refused(place, flip):
    box = SecretsBox([NEW])
    sealed = bytearray(box.seal(b"secret", purpose="x"))
    sealed[place % len(sealed)] ^= flip
    with pytest.raises((SealBroken, MasterKeyMissing)):
        box.open(bytes(sealed), purpose="x")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + b"x" * 60, b"\x01" + b"x" * 30])
def test_given_bytes_that_nobody_sealed_when_opened_then_refused(sealed):
    with pytest.raises((SealBroken, MasterKeyMissing)):
        SecretsBox([NEW]).open(sealed, purpose="x")


class TestRotation:
    def test_given_an_older_key_in_the_list_when_opened_then_it_opens_and_is_sealed_anew_once(self):
        sealed = SecretsBox([OLD]).seal(b"secret", purpose="x")
        both = SecretsBox([NEW, OLD])
        assert both.open(sealed, purpose="x") == b"secret"
        anew = both.reseal(sealed, purpose="x")
        assert both.reseal(anew, purpose="x") is None
        assert SecretsBox([NEW]).open(anew, purpose="x") == b"secret"

    def test_given_the_key_was_taken_off_when_opened_then_the_fault_says_so(self):
        sealed = SecretsBox([OLD]).seal(b"secret", purpose="x")
        with pytest.raises(MasterKeyMissing):
            SecretsBox([NEW]).open(sealed, purpose="x")


def test_given_a_data_key_when_unwrapped_then_the_same_and_it_is_not_shown():
    box = SecretsBox([NEW])
    made = box.make_data_key(purpose="agency 1 recordings")
    assert box.open(made.wrapped, purpose="agency 1 recordings") == made.key
    assert len(made.key) == 32
    assert repr(made.key) not in repr(made)


class TestTheList:
    def test_given_what_is_made_here_or_by_openssl_then_taken_in_order(self):
        urlsafe = base64.urlsafe_b64encode(NEW).decode().rstrip("=")
        made = make_master_key()
        keys = parse_master_keys(f"{made},\n {base64.b64encode(OLD).decode()} {urlsafe}\n")
        assert keys == (base64.b64decode(made), OLD, NEW)

    def test_given_nothing_then_no_key_and_no_box(self):
        assert parse_master_keys("  ") == ()
        with pytest.raises(MasterKeysFaulty):
            SecretsBox([])

    @pytest.mark.parametrize(
        "text", ["tooshort", "not base64!", "QUJD" * 20, ",".join([base64.b64encode(OLD).decode()] * 2)]
    )
    def test_given_faulty_keys_then_refused_without_showing_them(self, text):
        with pytest.raises(MasterKeysFaulty) as fault:
            parse_master_keys(text)
        assert text[:8] not in str(fault.value)

    def test_given_too_many_then_refused(self):
        with pytest.raises(MasterKeysFaulty):
            parse_master_keys(",".join(make_master_key() for _ in range(17)))
