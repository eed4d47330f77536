"""Who a visitor is to analytics systems, of the cookies that those keep on the site's own domain. Pure.

`_ga` is `GA1.<depth>.<client id>`, the client id two numbers with a dot; `_ga_<stream>` is `GS1.<depth>.<session id>.…`
or the newer `GS2.<depth>.s<session id>$o…`; `_ym_uid` is Yandex.Metrica's client id, which exceeds 2^53 and stays a
text. What looks otherwise is passed over: a page may say anything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

#: Streams of one site whose sessions are kept; a page may have as many cookies as it likes.
MOST_STREAMS = 8
_CLIENT = re.compile(r"_ga=GA1\.\d{1,2}\.(\d{1,20}\.\d{1,20})", re.ASCII)
_SESSION = re.compile(r"_ga_([A-Z0-9]{4,20})=GS[12]\.\d{1,2}\.s?(\d{6,14})(?:[.$].*)?", re.ASCII)
_METRICA = re.compile(r"_ym_uid=(\d{6,32})", re.ASCII)


def read_analytics_ids(cookies: Sequence[str]) -> dict[str, Any]:
    """`{"ga": …, "ga_sessions": {stream: …}, "ym": …}`, each where it was said."""
    found: dict[str, Any] = {}
    sessions: dict[str, str] = {}
    for cookie in cookies:
        if client := _CLIENT.fullmatch(cookie):
            found["ga"] = client[1]
        elif metrica := _METRICA.fullmatch(cookie):
            found["ym"] = metrica[1]
        elif (session := _SESSION.fullmatch(cookie)) and len(sessions) < MOST_STREAMS:
            sessions[session[1]] = session[2]
    return found | ({"ga_sessions": sessions} if sessions else {})
