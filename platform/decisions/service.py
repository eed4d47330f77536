"""Use cases of decisions: take up questions, ask clients' web hooks, write down what they say; and the secrets.

Asking is bounded by the call's own wait: whatever goes wrong, the flow's default applies and the caller goes on. Must
not know plans or switches: who is waiting is woken by his node's monitor.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..outgoing.errors import OutgoingError
from ..outgoing.model import Request
from ..outgoing.service import OutgoingClient
from ..outgoing.signing import SECRET_BYTES, signed_headers
from . import store
from .model import HookSecret, Question, Verdict, message_of, read_verdict

#: The old secret signs beside the new one for so long.
ROTATION_OVERLAP = timedelta(hours=24)
#: An answer that comes later than this before the deadline could not be written down in time.
WRITE_S = 0.05
TIDY_AT_A_TIME = 1000


class HookSecrets:
    """What signs the questions to each client's web hooks."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def reveal(self, agency_id: UUID, client_id: UUID) -> HookSecret:
        """A client's current secret, made now if it has none. The client must be there."""
        with self._database.tenant(agency_id) as connection:
            found = store.find_secret(connection, agency_id, client_id)
            if found is not None:
                return found
            store.insert_secret(connection, agency_id, client_id, new_id(), secrets.token_bytes(SECRET_BYTES))
        with self._database.tenant(agency_id) as connection:
            made = store.find_secret(connection, agency_id, client_id)
        assert made is not None, "a secret was made and nobody removes the current one"
        return made

    def rotate(self, agency_id: UUID, client_id: UUID) -> HookSecret:
        """A new secret; the one before it signs too for a day, and those before that no longer."""
        with self._database.tenant(agency_id) as connection:
            store.retire_secrets(connection, agency_id, client_id, until=self._clock.now() + ROTATION_OVERLAP)
            store.insert_secret(connection, agency_id, client_id, new_id(), secrets.token_bytes(SECRET_BYTES))
            made = store.find_secret(connection, agency_id, client_id)
        assert made is not None, "the secret was made in this transaction"
        return made


class DecisionService:
    """Questions on their way. Raises the database's errors; never one of the web hook's."""

    def __init__(self, database: Database, client: OutgoingClient, hook_secrets: HookSecrets, clock: Clock) -> None:
        self._database = database
        self._client = client
        self._secrets = hook_secrets
        self._clock = clock

    def claim(self, *, most: int, each: int) -> Sequence[Question]:
        """Takes up to ``most`` questions, of no client more than ``each`` at a time."""
        return store.claim_questions(self._database, most=most, each=each)

    def ask(self, question: Question) -> Verdict:
        """Asks the web hook. Takes no longer than the call waits."""
        timeout_s = question.left_ms / 1000 - WRITE_S
        if timeout_s <= 0:
            return Verdict(fault="late")
        body = message_of(question)
        keys = question.keys or [self._secrets.reveal(question.agency_id, question.client_id).key]
        signed = signed_headers(
            keys, message_id=str(question.id), timestamp_s=int(self._clock.now().timestamp()), body=body
        )
        headers = {"Content-Type": "application/json", **signed}
        request = Request("POST", question.url, timeout_s, headers=headers, body=body)
        try:
            answer = self._client.send(request, use="decision")
        except OutgoingError as error:
            return Verdict(fault=error.word)
        return read_verdict(answer.status, answer.body, is_whole=answer.is_whole, choices=question.choices)

    def settle(self, question: Question, verdict: Verdict) -> str:
        """Writes it down; from now on the monitor may wake the call. How it ended: `answered`, or why not."""
        how = store.settle_question(self._database, question, verdict)
        if how == "failed":
            return verdict.fault or "unknown"
        return how or "lost"

    def release(self, question: Question) -> None:
        """Gives it back, for another process to ask: this one ends."""
        store.release_question(self._database, question)

    def tidy(self) -> tuple[int, int]:
        """Closes questions that nobody answered in time and removes those of yesterday. How many nobody had taken up,
        and how many had been taken up by a process that is gone."""
        unasked, unanswered, _ = store.tidy_questions(self._database, most=TIDY_AT_A_TIME)
        return unasked, unanswered
