"""Links by letter: an invitation, and a way back in for whoever forgot his password.

A link's secret is made where the letter is written (the job), so it stands nowhere but in the letter; a job that runs
again makes another, and the one before opens nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Connection

from ..brands.model import Brand
from ..clock import Clock
from ..db.engine import Database
from ..db.floor import confined
from ..ids import new_id
from ..jobs.model import Done, GiveUp, Job, Outcome, Request, Retry
from ..jobs.service import JobQueue
from ..mail.errors import MailError
from ..mail.model import Letter
from ..mail.service import Mailer
from ..tenancy.model import SECRET_BYTES, hash_secret, secret_fits, secret_of
from . import store
from .errors import LinkInvalid, ValueRefused
from .letters import letter_text
from .model import LINK_LIFE, LinkKind, Pass, User, check_email, check_password, parse_link
from .service import SEND_LINK
from .signing_in import SignInService


class LinkService:
    """Takes links back, and asks for letters."""

    def __init__(self, database: Database, clock: Clock, queue: JobQueue, signing_in: SignInService) -> None:
        self._database = database
        self._clock = clock
        self._queue = queue
        self._signing_in = signing_in

    def ask_reset(self, email: str, address: str | None) -> None:
        """A letter to each user with this address who may sign in; whoever asks learns nothing of whether there is one.
        Raises TooManyTries."""
        self._signing_in.count_try(f"reset {email}", address)
        try:
            email = check_email(email)
        except ValueRefused:
            return
        with self._database.directory() as connection:
            places = store.find_in_directory(connection, email)
        for agency_id, user_id in places:
            args = {"agency_id": str(agency_id), "user_id": str(user_id), "kind": "reset"}
            self._queue.defer_alone(Request(name=SEND_LINK, args=args, lock=f"user:{user_id}", once=f"reset:{user_id}"))

    def complete(
        self, token: str, password: str, kinds: frozenset[LinkKind], *, request_id: str, address: str | None
    ) -> User:
        """Sets the password that the link lets set; the user may sign in from now on, and every session is over. Raises
        LinkInvalid, ValueRefused (the link stays good), PasswordsBusy."""
        sent = parse_link(token)
        with self._database.tenant(sent.agency_id) as connection:
            user = self._user_of(connection, sent, kinds)
        hashed = self._signing_in.passwords.hash(check_password(password, email=user.email))
        actor = f"user|{user.id}|{address or ''}|{request_id}"
        with confined(None, actor), self._database.tenant(sent.agency_id) as connection:
            user = self._user_of(connection, sent, kinds)
            store.use_link(connection, sent.agency_id, sent.id, self._clock.now())
            values = {"password_hash": hashed} | ({"state": "active"} if user.state == "invited" else {})
            store.set_credentials(connection, sent.agency_id, user.id, **values)
            store.end_sessions(connection, sent.agency_id, user.id)
            found = store.find_user(connection, sent.agency_id, user.id)
        assert found is not None, "a user whose link is locked is there"
        return found

    def _user_of(self, connection: Connection, sent: Pass, kinds: frozenset[LinkKind]) -> User:
        link = store.find_link(connection, sent.agency_id, sent.id)
        if link is None or not secret_fits(sent.secret, bytes(link.secret_hash)) or link.kind not in kinds:
            raise LinkInvalid
        if link.used_at is not None or self._clock.now() >= link.expires_at:
            raise LinkInvalid
        user = store.find_user(connection, sent.agency_id, link.user_id)
        if user is None or user.state == "disabled":
            raise LinkInvalid
        return user


class LinkSender:
    """The job that writes letters. ``brand_of``: under whose name an agency's letters go."""

    def __init__(
        self, database: Database, clock: Clock, mailer: Mailer, brand_of: Callable[[UUID], Brand], *, console_url: str
    ) -> None:
        self._database = database
        self._clock = clock
        self._mailer = mailer
        self._brand_of = brand_of
        self._console_url = console_url

    def send(self, job: Job) -> Outcome:
        """The job ``people.send_link``."""
        agency_id, user_id = UUID(str(job.args["agency_id"])), UUID(str(job.args["user_id"]))
        kind: LinkKind = "invitation" if job.args["kind"] == "invitation" else "reset"
        brand, now = self._brand_of(agency_id), self._clock.now()
        sent = Pass("i", agency_id, new_id(), secret_of(secrets.token_bytes(SECRET_BYTES)))
        with self._database.tenant(agency_id) as connection:
            user = store.find_user(connection, agency_id, user_id)
            if user is None or user.state != ("invited" if kind == "invitation" else "active"):
                return Done()
            until = now + LINK_LIFE[kind]
            store.insert_link(connection, user, sent.id, kind, hash_secret(sent.secret), now, until)
        language = user.language or brand.language
        address = f"{(brand.url or self._console_url)}/{kind}#{sent.format()}"
        subject, text = letter_text(kind, language, brand=brand.name, name=user.name, link=address, until=until)
        letter = Letter(
            id=str(sent.id), to=user.email, subject=subject, text=text, sender=brand.mail_from, sender_name=brand.name,
            language=language, at=now,
        )  # fmt: skip
        try:
            self._mailer.send(letter)
        except MailError as error:
            return Retry(str(error)) if error.retry_helps else GiveUp(str(error))
        return Done()
