"""Finds telephone numbers in the text of a page, however they are written. Pure.

A pool's number that a page says as it is served, before any script has run, is printed there: whoever calls it need not
have been shown it by anybody.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

#: Digits with what people put between them; a `tel:` link is of this form too.
_SPELLED = re.compile(r"\+?\d(?:[\s\u00a0().\-/]{0,3}\d){6,14}")
#: So many digits of the end make a number the same, whichever way its country is written.
SAME = 9


def numbers_on(page: str, numbers: Iterable[str]) -> set[str]:
    """Those of ``numbers`` (E.164) that the page names."""
    by_end = {_end(number): number for number in numbers}
    plain = html.unescape(page)
    return {by_end[end] for spelled in _SPELLED.findall(plain) if (end := _end(spelled)) in by_end}


def _end(spelled: str) -> str:
    return "".join(sign for sign in spelled if sign.isdecimal())[-SAME:]
