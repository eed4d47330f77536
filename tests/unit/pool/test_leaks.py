"""Numbers on pages, however somebody has written them."""

import pytest

from dialtrace.pool.leaks import numbers_on

OURS = ["+442079460123", "+74951234567"]


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<a href="tel:+442079460123">call</a>', {"+442079460123"}),
        ("Ring 020 7946 0123 today", {"+442079460123"}),
        ("(020)&nbsp;7946-0123", {"+442079460123"}),
        ("8 (495) 123-45-67", {"+74951234567"}),
        ("tel. 8-495-123-45-67, 020 7946 0123", set(OURS)),
        ("order 120794601239 of 2026", set()),
        ("020 7946 0124", set()),
        ("", set()),
    ],
)
def test_given_a_page_then_the_numbers_that_it_names_are_found(page, found):
    assert numbers_on(page, OURS) == found
