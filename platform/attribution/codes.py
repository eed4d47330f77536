"""Promo codes: short numbers that a visitor sees, and says to an operator or presses on the telephone.

The last digit checks the others (Damm's quasigroup: H. M. Damm, Total anti-symmetrische Quasigruppen, 2004), so that
one wrong digit, or two neighbours in the wrong order, never name somebody else's visit. Pure.
"""

from __future__ import annotations

#: Digits of a code, the check among them: 100,000 codes of one client at a time.
LENGTH = 6
CODES = 10 ** (LENGTH - 1)
_DAMM = (
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)  # fmt: skip


def _check(digits: str) -> int:
    state = 0
    for digit in digits:
        state = int(_DAMM[state][int(digit)])
    return state


def code_of(index: int) -> str:
    """The code with this number, from 0 to CODES - 1."""
    assert 0 <= index < CODES, index
    digits = f"{index:0{LENGTH - 1}d}"
    return f"{digits}{_check(digits)}"


def read_code(text: str) -> str | None:
    """The code that somebody wrote or pressed, without blanks, hyphens and the closing #; None: it is none."""
    digits = "".join(one for one in text if one not in " -#*")
    if len(digits) != LENGTH or not (digits.isascii() and digits.isdigit()) or _check(digits) != 0:
        return None
    return digits
