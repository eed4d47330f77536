"""Use cases of those who come in: sign in, who is signed in, and the second factor.

Every try is counted before anything is checked. Whoever is refused learns nothing of which part was wrong, and waits as
long where there is no such user.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv6Address, ip_address
from typing import Any
from uuid import UUID

from ..clock import Clock
from ..db.engine import Database
from ..db.floor import confined
from ..ids import new_id
from ..secrets_box.model import SecretsBox
from ..tenancy.model import SECRET_BYTES, Principal, hash_secret, secret_fits, secret_of
from . import store
from .errors import (
    AgencyAmbiguous,
    CodeRequired,
    CodeWrong,
    FactorMissing,
    SessionInvalid,
    SessionUnknown,
    SignInRefused,
    TooManyTries,
    UserUnknown,
    ValueRefused,
)
from .model import (
    LONGEST,
    MOST_TRIES,
    TRIES_WINDOW,
    Credentials,
    Pass,
    Session,
    User,
    check_email,
    check_password,
    is_over,
    parse_session,
)
from .proofs import (
    Passwords,
    hash_recovery_code,
    new_recovery_codes,
    new_totp_secret,
    provisioning_uri,
    step_of,
)

#: A session's last use is written at most this often: authentication stays a read.
TOUCH_EVERY = timedelta(minutes=1)
BROWSER_LENGTH = 200


def purpose_of(agency_id: UUID, user_id: UUID) -> str:
    """What a second factor's secret is sealed for."""
    return f"user {agency_id} {user_id} totp"


class SignInService:
    """Sessions in one database. ``hash_key`` keeps what counts tries from naming anybody."""

    def __init__(
        self, database: Database, clock: Clock, box: SecretsBox, *, hash_key: bytes, passwords: Passwords | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._box = box
        self._hash_key = hash_key
        self.passwords = passwords or Passwords()

    # --- In and out. ---

    def sign_in(
        self,
        email: str,
        password: str,
        *,
        code: str | None = None,
        agency_id: UUID | None = None,
        address: str | None = None,
        browser: str = "",
        request_id: str = "",
    ) -> tuple[Session, str, User]:
        """A session, the text for its cookie, and whose it is. Raises SignInRefused, CodeRequired, AgencyAmbiguous,
        TooManyTries, PasswordsBusy."""
        keys = self.count_try(email, address)
        user, credentials = self._who(email, password, agency_id)
        self._check_second(user, credentials, code)
        session = self._new_session(user, address, browser)
        secret = secret_of(secrets.token_bytes(SECRET_BYTES))
        actor = f"user|{user.id}|{address or ''}|{request_id}"
        with confined(None, actor), self._database.tenant(user.agency_id) as connection:
            store.forget_tries(connection, keys[:1])
            store.insert_session(connection, session, hash_secret(secret))
            values: dict[str, Any] = {"last_sign_in_at": session.created_at}
            assert credentials.password_hash is not None
            if self.passwords.is_old(credentials.password_hash):
                values["password_hash"] = self.passwords.hash(password)
            store.set_credentials(connection, user.agency_id, user.id, **values)
        return session, Pass("s", user.agency_id, session.id, secret).format(), user

    def count_try(self, email: str, address: str | None) -> list[bytes]:
        """Raises TooManyTries. Returns the keys it was counted under, the narrowest first."""
        near = _network_of(address)
        said = [f"{email.strip().lower()} {near}", email.strip().lower(), near]
        keys = [hmac.digest(self._hash_key, f"sign in {one}".encode("utf-8", "replace"), "sha256") for one in said]
        with self._database.directory() as connection:
            wait_s = store.count_try(connection, keys, MOST_TRIES, int(TRIES_WINDOW.total_seconds()))
        if wait_s:
            raise TooManyTries(wait_s)
        return keys

    def _who(self, email: str, password: str, agency_id: UUID | None) -> tuple[User, Credentials]:
        try:
            email = check_email(email)
        except ValueRefused:
            email = ""
        with self._database.directory() as connection:
            places = store.find_in_directory(connection, email)
        found = []
        for place in places:
            if agency_id is not None and place[0] != agency_id:
                continue
            with self._database.tenant(place[0]) as connection:
                user = store.find_user(connection, *place)
                credentials = store.find_credentials(connection, *place)
            kept = credentials.password_hash if credentials is not None else None
            fits = self.passwords.fits(password, kept)
            if fits and user is not None and credentials is not None and user.state == "active":
                found.append((user, credentials))
        if not places:
            self.passwords.fits(password, None)
        if not found:
            raise SignInRefused
        if len(found) > 1:
            raise AgencyAmbiguous([str(user.agency_id) for user, _ in found])
        return found[0]

    def _check_second(self, user: User, credentials: Credentials, code: str | None) -> None:
        if credentials.totp_confirmed_at is None:
            return
        if not code:
            raise CodeRequired
        if not self._uses_code(user.agency_id, user.id, code):
            raise SignInRefused

    def _uses_code(self, agency_id: UUID, user_id: UUID, code: str) -> bool:
        """Whether it is a code of the second factor or a recovery code; it opens nothing a second time."""
        with self._database.tenant(agency_id) as connection:
            kept = store.find_credentials(connection, agency_id, user_id, lock=True)
            if kept is None or kept.totp_sealed is None:
                return False
            secret = self._box.open(kept.totp_sealed, purpose=purpose_of(agency_id, user_id)).decode("ascii")
            step = step_of(secret, code.strip(), self._clock.now(), after=kept.totp_last_step)
            if step is not None:
                store.set_credentials(connection, agency_id, user_id, totp_last_step=step)
                return True
            hashed = hash_recovery_code(code)
            if kept.totp_confirmed_at is None or hashed not in kept.recovery_hashes:
                return False
            left = [one for one in kept.recovery_hashes if one != hashed]
            store.set_credentials(connection, agency_id, user_id, recovery_hashes=left)
            return True

    def _new_session(self, user: User, address: str | None, browser: str) -> Session:
        now = self._clock.now()
        return Session(
            agency_id=user.agency_id, id=new_id(), user_id=user.id, client_id=user.client_id, created_at=now,
            last_seen_at=now, expires_at=now + LONGEST, address=address,
            browser="".join(filter(str.isprintable, browser))[:BROWSER_LENGTH],
        )  # fmt: skip

    def authenticate(self, cookie: str) -> Principal:
        """Who is signed in. Raises SessionInvalid, the same for unknown, wrong and over."""
        sent, now = parse_session(cookie), self._clock.now()
        with self._database.tenant(sent.agency_id) as connection:
            found = store.find_session(connection, sent.agency_id, sent.id)
            if found is None or not secret_fits(sent.secret, found[1]) or is_over(found[0], now):
                raise SessionInvalid
            session = found[0]
            user = store.find_user(connection, sent.agency_id, session.user_id)
            if user is None or user.state != "active":
                raise SessionInvalid
            if session.last_seen_at <= now - TOUCH_EVERY:
                store.touch_session(connection, session, now)
            needs_factor = not user.has_second_factor and store.wants_second_factor(connection, sent.agency_id)
        return replace(principal_of(user, session.id), needs_factor=needs_factor)

    def standing(self, agency_id: UUID, user_id: UUID) -> Principal:
        """What a user may do at this moment, signed in or not. Raises UserUnknown, also for one who may not sign in."""
        with self._database.tenant(agency_id) as connection:
            user = store.find_user(connection, agency_id, user_id)
        if user is None or user.state != "active":
            raise UserUnknown
        return principal_of(user, None)

    def sign_out(self, principal: Principal, session_id: UUID) -> None:
        """Ends one of one's own sessions. Raises SessionUnknown."""
        with self._database.tenant(principal.agency_id) as connection:
            found = store.find_session(connection, principal.agency_id, session_id)
            if found is None or found[0].user_id != principal.key_id:
                raise SessionUnknown
            store.end_sessions(connection, principal.agency_id, principal.key_id, only=session_id)

    def list_sessions(self, principal: Principal) -> list[Session]:
        """One's own, the latest first."""
        now = self._clock.now()
        with self._database.tenant(principal.agency_id) as connection:
            found = store.find_sessions(connection, principal.agency_id, principal.key_id)
        return [one for one in found if not is_over(one, now)]

    # --- Password and second factor of whoever is signed in. ---

    def prove(self, principal: Principal, password: str, address: str | None) -> User:
        """Before anything that lets in is changed: the password once more, counted as a try. Raises SignInRefused,
        TooManyTries, PasswordsBusy."""
        with self._database.tenant(principal.agency_id) as connection:
            user = store.find_user(connection, principal.agency_id, principal.key_id)
            kept = store.find_credentials(connection, principal.agency_id, principal.key_id)
        if user is None or kept is None:
            raise SignInRefused
        keys = self.count_try(user.email, address)
        if not self.passwords.fits(password, kept.password_hash):
            raise SignInRefused
        with self._database.directory() as connection:
            store.forget_tries(connection, keys[:1])
        return user

    def change_password(self, principal: Principal, old: str, new: str, address: str | None) -> None:
        """Ends every other session. Raises SignInRefused, ValueRefused, TooManyTries, PasswordsBusy."""
        user = self.prove(principal, old, address)
        hashed = self.passwords.hash(check_password(new, email=user.email))
        with self._database.tenant(principal.agency_id) as connection:
            store.set_credentials(connection, user.agency_id, user.id, password_hash=hashed)
            store.end_sessions(connection, user.agency_id, user.id, but=principal.session_id)

    def begin_factor(self, principal: Principal, password: str, address: str | None, issuer: str) -> tuple[str, str]:
        """A new secret for an authenticator app, and its address for a QR code; it counts once a code confirmed it.
        Raises as :meth:`prove`, and ValueRefused where one counts already."""
        user = self.prove(principal, password, address)
        secret = new_totp_secret()
        sealed = self._box.seal(secret.encode("ascii"), purpose=purpose_of(user.agency_id, user.id))
        with self._database.tenant(principal.agency_id) as connection:
            kept = store.find_credentials(connection, user.agency_id, user.id, lock=True)
            if kept is None or kept.totp_confirmed_at is not None:
                raise ValueRefused("password", "opens nothing here: remove the second factor first")
            store.set_credentials(connection, user.agency_id, user.id, totp_sealed=sealed, totp_last_step=None)
        return secret, provisioning_uri(secret, email=user.email, issuer=issuer)

    def confirm_factor(self, principal: Principal, code: str) -> tuple[str, ...]:
        """From now on signing in needs a code. Returns recovery codes, which nobody can ask for again; ends every
        other session. Raises CodeWrong, FactorMissing, TooManyTries."""
        agency_id, user_id = principal.agency_id, principal.key_id
        self.count_try(str(user_id), None)
        with self._database.tenant(agency_id) as connection:
            kept = store.find_credentials(connection, agency_id, user_id)
        if kept is None or kept.totp_sealed is None or kept.totp_confirmed_at is not None:
            raise FactorMissing
        if not self._uses_code(agency_id, user_id, code):
            raise CodeWrong
        codes = new_recovery_codes()
        with self._database.tenant(agency_id) as connection:
            store.set_credentials(
                connection, agency_id, user_id, totp_confirmed_at=self._clock.now(),
                recovery_hashes=[hash_recovery_code(one) for one in codes],
            )  # fmt: skip
            store.end_sessions(connection, agency_id, user_id, but=principal.session_id)
        return codes

    def remove_factor(self, principal: Principal, password: str, code: str, address: str | None) -> None:
        """Needs both. Raises as :meth:`prove`, and CodeWrong."""
        user = self.prove(principal, password, address)
        if not self._uses_code(user.agency_id, user.id, code):
            raise CodeWrong
        with self._database.tenant(principal.agency_id) as connection:
            store.set_credentials(
                connection, user.agency_id, user.id, totp_sealed=None, totp_confirmed_at=None, totp_last_step=None,
                recovery_hashes=[],
            )  # fmt: skip


def principal_of(user: User, session_id: UUID | None) -> Principal:
    return Principal(
        agency_id=user.agency_id, client_id=user.client_id, role=user.reach, key_id=user.id,
        permissions=user.permissions, kind="user", session_id=session_id,
    )  # fmt: skip


def _network_of(address: str | None) -> str:
    """What one person has at his command: an IPv4 address, or the /64 of an IPv6 address."""
    if address is None:
        return "-"
    found = ip_address(address)
    return found.exploded[:19] if isinstance(found, IPv6Address) else str(found)
