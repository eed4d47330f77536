"""Where the current request comes from."""

from __future__ import annotations

from collections.abc import Sequence

from flask import request

from ..addresses import Network, believed_address


def asking_address(proxies: Sequence[Network]) -> str | None:
    """The address that is believed of the current request."""
    return believed_address(request.remote_addr, request.headers.getlist("X-Forwarded-For"), proxies)
