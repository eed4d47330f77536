"""Text that is safe in a spreadsheet: a cell that begins like a formula is run by whoever opens the file (CSV
injection). Words of visitors, callers and advertising come to such files. Pure."""

import re

#: A telephone number is no formula: a plus and digits alone do nothing there.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_TELEPHONE = re.compile(r"\+[0-9]+")


def guarded(text: str) -> str:
    """The text with an apostrophe before what begins like a formula."""
    return "'" + text if _FORMULA.match(text) and not _TELEPHONE.fullmatch(text) else text
