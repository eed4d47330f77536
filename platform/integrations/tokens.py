"""Access tokens that run out and are renewed by a refresh token (RFC 6749, section 6), once for all processes. Must not
know any system.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import Broken, Later, Retry
from .model import Answer, Values, need_success
from .work import Work


def renew_tokens(
    work: Work, ask: Callable[[Any], Answer], *, refused: Callable[[Answer], Broken | None], rotates: bool = True
) -> None:
    """New tokens for those that ``work`` has; ``ask`` sends the request, with the secrets that are kept now.
    ``refused``: what an answer means that is a refusal. ``rotates``: each answer has the next refresh token. Raises
    Outcome."""
    work.renew(lambda kept: _renewed(work, kept, ask, refused, rotates=rotates))


def _renewed(
    work: Work, kept: Values, ask: Callable[[Any], Answer], refused: Callable[[Answer], Broken | None], *, rotates: bool
) -> Values:
    """Somebody may have been quicker: then the access token is not the one that was refused, and is used."""
    known: Any = kept
    if known.access_token and known.access_token != work.secrets.access_token:
        return kept
    answer = ask(known)
    refusal = refused(answer)
    if refusal is not None and answer.status < 500 and answer.status != 429:
        raise refusal
    try:
        need_success(answer, work.now)
    except Later as outcome:
        # The token server's limit, not the account's: nobody who asks that rests for it.
        raise Later("token_limited", outcome.detail, after_s=outcome.after_s) from outcome
    said = answer.json()
    names = ("access_token", "refresh_token") if rotates else ("access_token",)
    if not isinstance(said, dict) or not all(said.get(name) for name in names):
        raise Retry("token_odd", "the token server answered without tokens")
    fresh: Values = known.model_copy(update={name: said[name] for name in names})
    return fresh
