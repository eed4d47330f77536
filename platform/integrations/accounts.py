"""How fast each account of a vendor is asked, by all processes together; and lines that keep to it.

Whoever is asked too fast refuses, and some refuse for a day. So every request takes a place in its account's line, a
row in the database that all processes share, and waits there; one that would wait too long is put off instead.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..clock import Clock
from ..db.engine import Database
from ..metrics import INTEGRATION_LIMITED_SECONDS, INTEGRATION_REQUESTS
from ..outgoing.errors import AddressRefused, BrokenAnswer, OutgoingError, RequestTooBig, TimedOut, TooBusy, UrlRefused
from ..outgoing.model import Request
from ..outgoing.service import OutgoingClient
from .errors import Broken, GiveUp, Later, Retry
from .model import MOST_KEPT_BYTES, MOST_READ_BYTES, Answer, Exchange, Rate, bounded_rest_s

#: So long a request waits for its place; beyond that its delivery gives its own place to another.
MOST_WAIT_S = 3.0
#: As many requests as this process makes to one host are on their way: nothing was sent, and no try is lost.
BUSY_S = 2.0
HIDDEN = "•••"


def account_key(system: str, account: str) -> str:
    """What the account's row is called: tells nobody whose it is."""
    return f"{system} {hashlib.sha256(account.encode()).hexdigest()[:32]}"


class Accounts:
    """The lines of all accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, account: str, rate: Rate, *, is_urgent: bool, most_wait_s: float = MOST_WAIT_S) -> float:
        """Takes a place; seconds to wait before the request may leave. Raises Later."""
        burst = rate.burst if is_urgent else max(1, rate.burst - rate.spare)
        values = (account, 1 / rate.per_s, float(burst), most_wait_s)
        wait_s = float(self._database.look_up("SELECT dialtrace_vendor_account_take(%s, %s, %s, %s)", values)[0][0])
        if wait_s < 0:
            raise Later("no_place", "as much is being asked of this account as it bears", after_s=-wait_s)
        return wait_s

    def rest(self, account: str, for_s: float) -> None:
        """Nobody asks this account anything for so long, six hours at most."""
        for_s = bounded_rest_s(for_s)
        self._database.look_up("SELECT dialtrace_vendor_account_rest(%s, %s)::text", (account, for_s))


def hide(text: str, secrets: Sequence[str]) -> str:
    """The text without the secrets, however they may be written into an address."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


@dataclass
class AccountLine:
    """Asks one account, keeps to its rate, and remembers what was said, without secrets."""

    client: OutgoingClient
    accounts: Accounts
    clock: Clock
    system: str
    account: str
    rate: Rate
    timeout_s: float
    secrets: Sequence[str] = ()
    is_urgent: bool = False
    exchanges: list[Exchange] = field(default_factory=list)

    def ask(self, method: str, url: str, *, what: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Raises Retry, Later, Broken, GiveUp for what keeps a request from being answered."""
        wait_s = self.accounts.take(self.account, self.rate, is_urgent=self.is_urgent)
        INTEGRATION_LIMITED_SECONDS.labels(self.system).observe(wait_s)
        time.sleep(wait_s)
        request = Request(method, url, self.timeout_s, headers=headers, body=body, most_read_bytes=MOST_READ_BYTES)
        begun_s = time.monotonic()
        try:
            answer = self.client.send(request, use="integration")
        except OutgoingError as error:
            INTEGRATION_REQUESTS.labels(self.system, error.word).inc()
            self._note(begun_s, f"{method} {what}", body, None, b"", error.word)
            raise _judged(error) from error
        INTEGRATION_REQUESTS.labels(self.system, f"{answer.status // 100}xx").inc()
        self._note(begun_s, f"{method} {what}", body, answer.status, answer.body, None)
        if not answer.is_whole:
            raise Retry("answer_too_long", f"more than {MOST_READ_BYTES} bytes", in_doubt=True)
        return Answer(answer.status, answer.headers, answer.body)

    def _note(
        self, begun_s: float, what: str, body: bytes, status: int | None, answered: bytes, fault: str | None
    ) -> None:
        self.exchanges.append(
            Exchange(
                at=self.clock.now(), ms=round((time.monotonic() - begun_s) * 1000), what=hide(what, self.secrets),
                sent=_kept(body, self.secrets), status=status, answered=_kept(answered, self.secrets), fault=fault,
            )
        )  # fmt: skip


def _kept(raw: bytes, secrets: Sequence[str]) -> str:
    """Secrets go before it is cut: half of one would stay."""
    return hide(raw.decode("utf-8", "replace"), secrets)[:MOST_KEPT_BYTES]


def _judged(error: OutgoingError) -> Retry | Broken | GiveUp | Later:
    if isinstance(error, TooBusy):
        return Later(error.word, str(error), after_s=BUSY_S)
    if isinstance(error, AddressRefused | UrlRefused):
        return Broken(error.word, str(error))
    if isinstance(error, RequestTooBig):
        return GiveUp(error.word, str(error))
    return Retry(error.word, str(error), in_doubt=isinstance(error, TimedOut | BrokenAnswer))
