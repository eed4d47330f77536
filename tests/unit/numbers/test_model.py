"""What a number's values may be."""

import pytest

from dialtrace.numbers.errors import ValueRefused
from dialtrace.numbers.model import check_kind, check_label, check_number, check_status


@pytest.mark.parametrize(
    ("check", "value", "field"),
    [
        (check_kind, "pooled", "kind"),
        (check_status, "released", "status"),
        (check_status, "", "status"),
        (check_label, "x" * 201, "label"),
        (check_label, "a\nb", "label"),
        (lambda raw: check_number(raw, None), "020 7946 0001", "number"),
        (lambda raw: check_number(raw, "GB"), "999", "number"),
    ],
)
def test_given_a_value_that_is_not_usable_then_the_field_is_named(check, value, field):
    with pytest.raises(ValueRefused) as refused:
        check(value)
    assert refused.value.field == field
    assert refused.value.reason


def test_given_values_that_are_usable_then_they_are_kept_in_one_form():
    assert check_number("020 7946 0001", "GB") == "+442079460001"
    assert check_label("  Flyer 3 ") == "Flyer 3"
    assert check_label("") == ""
    assert check_kind("dynamic") == "dynamic"
    assert check_status("suspended") == "suspended"
