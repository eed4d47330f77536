"""`/v1/sessions` and `/v1/session`: signing in, and what whoever is signed in does about himself.

A session is a cookie that no script reads. A request by it that changes something carries `X-CSRF-Token` as well, which
only a page that could read our answer knows (`session_cookies`).
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, g, jsonify, request
from pydantic import ConfigDict, Field

from ..people.model import Session
from .asking import asking_address
from .auth import EVERYBODY, Asked
from .endpoint import endpoint, public, services
from .errors import Problem
from .fields import Answer, Body, Id, Moment
from .session_cookies import csrf_token, forget_cookie, set_cookie
from .users import Email, UserAnswer, show

blueprint = APIBlueprint("sessions", __name__, tag="Sessions")

Password = Annotated[str, Field(min_length=1, max_length=256, examples=["correct horse battery staple"])]
Code = Annotated[
    str, Field(max_length=40, description="Of the second factor, or a recovery code.", examples=["492039"])
]
_THROTTLED = {429: "Too many tries; `Retry-After` says when to try again."}


class SignIn(Body):
    """Who comes in."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"email": "ann@example.com", "password": "correct horse battery staple"}}
    )

    email: Email
    password: Password
    code: Annotated[Code | None, Field(default=None)]
    agency_id: Annotated[UUID | None, Field(default=None, description="Needed by whoever belongs to several agencies.")]


@public(
    blueprint,
    "/v1/sessions",
    method="POST",
    summary="Sign in",
    body=SignIn,
    answers={
        201: "The user, and `csrf_token`; the cookie is set.",
        401: "`sign_in_refused`, or `code_required`: the same again with `code`.",
        409: "`agency_ambiguous`: name one of `agencies`.",
        **_THROTTLED,
    },
)
def create_session(body: SignIn) -> Response:
    session, cookie, user = services().sign_in.sign_in(
        body.email, body.password, code=body.code, agency_id=body.agency_id,
        address=asking_address(services().proxies), browser=request.headers.get("User-Agent", ""),
        request_id=g.request_id,
    )  # fmt: skip
    response = jsonify(
        user=show(user).model_dump(mode="json"),
        csrf_token=csrf_token(services().secret_key, session.id),
        expires_at=session.expires_at.isoformat().replace("+00:00", "Z"),
    )
    response.status_code = 201
    set_cookie(response, cookie, session.expires_at)
    return response


def need_user(asked: Asked) -> UUID:
    """The session. Raises Problem (403) for a key: it is no person."""
    if asked.principal.session_id is None:
        raise Problem("session_missing")
    return asked.principal.session_id


class StandingAnswer(Answer):
    """Who is signed in."""

    user: UserAnswer
    csrf_token: Annotated[str, Field(description="Send it as `X-CSRF-Token` with whatever changes something.")]


@endpoint(
    blueprint, "GET", "/v1/session", roles=EVERYBODY, permission=(), answer=StandingAnswer,
    problems=("session_missing",),
)  # fmt: skip
def get_session(asked: Asked) -> StandingAnswer:
    """Read who is signed in"""
    session_id = need_user(asked)
    user = asked.services.people.get_user(asked.principal.agency_id, None, asked.principal.key_id)
    return StandingAnswer(user=show(user), csrf_token=csrf_token(asked.services.secret_key, session_id))


class SessionAnswer(Answer):
    """One of one's own sessions."""

    id: Id
    created_at: Moment
    last_seen_at: Moment
    expires_at: Moment
    address: Annotated[str | None, Field(examples=["203.0.113.7"])]
    browser: Annotated[str, Field(examples=["Mozilla/5.0"])]
    is_this: Annotated[bool, Field(description="Whether it is the one that asks.")]


class SessionList(Answer):
    """One's own sessions."""

    data: list[SessionAnswer]


@endpoint(
    blueprint, "GET", "/v1/sessions", roles=EVERYBODY, permission=(), answer=SessionList, problems=("session_missing",)
)
def list_sessions(asked: Asked) -> SessionList:
    """List one's own sessions

    The latest first.
    """
    this = need_user(asked)
    return SessionList(data=[_show(one, this) for one in asked.services.sign_in.list_sessions(asked.principal)])


def _show(session: Session, this: UUID) -> SessionAnswer:
    shown = {name: getattr(session, name) for name in SessionAnswer.model_fields if name != "is_this"}
    return SessionAnswer(**shown, is_this=session.id == this)


@endpoint(
    blueprint, "DELETE", "/v1/sessions/<uuid:session_id>", roles=EVERYBODY, permission=(),
    read_at="/v1/sessions", status=204,
    problems=("session_missing",),
)  # fmt: skip
def end_session(asked: Asked, session_id: UUID) -> Response:
    """End one of one's own sessions

    The one that asks: sign out.
    """
    this = need_user(asked)
    asked.services.sign_in.sign_out(asked.principal, session_id)
    response = Response(status=204)
    if session_id == this:
        forget_cookie(response)
    return response


class PasswordChange(Body):
    """The old password and the new one."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"old": "correct horse battery staple", "new": "another horse, another staple"}}
    )

    old: Password
    new: Password


_OWN = ("session_missing", "sign_in_refused", "too_many_tries", "passwords_busy")


@endpoint(
    blueprint, "POST", "/v1/session/password", roles=EVERYBODY, permission=(), body=PasswordChange, status=204,
    problems=_OWN,
)  # fmt: skip
def change_password(asked: Asked, body: PasswordChange) -> Response:
    """Change one's password

    Every other session ends.
    """
    need_user(asked)
    address = asking_address(asked.services.proxies)
    asked.services.sign_in.change_password(asked.principal, body.old, body.new, address)
    return Response(status=204)


class Proof(Body):
    """One's password once more."""

    model_config = ConfigDict(json_schema_extra={"example": {"password": "correct horse battery staple"}})

    password: Password


class FactorAnswer(Answer):
    """What an authenticator app needs."""

    secret: Annotated[str | None, Field(description="To be typed in. Null in a replayed answer.")]
    uri: Annotated[str | None, Field(description="For a QR code.", examples=["otpauth://totp/…"])]


@endpoint(
    blueprint, "POST", "/v1/session/second-factor", roles=EVERYBODY, permission=(), body=Proof, answer=FactorAnswer,
    status=201, secrets=("secret", "uri"), problems=_OWN,
)  # fmt: skip
def begin_second_factor(asked: Asked, body: Proof) -> tuple[FactorAnswer, int]:
    """Begin a second factor

    Codes by time (TOTP). It counts once a code of it was sent (`/v1/session/second-factor/confirm`).
    """
    need_user(asked)
    issuer = asked.services.brands.brand_of(asked.principal.agency_id).name
    address = asking_address(asked.services.proxies)
    secret, uri = asked.services.sign_in.begin_factor(asked.principal, body.password, address, issuer)
    return FactorAnswer(secret=secret, uri=uri), 201


class CodeSent(Body):
    """A code of the second factor."""

    model_config = ConfigDict(json_schema_extra={"example": {"code": "492039"}})

    code: Code


class RecoveryCodes(Answer):
    """What opens once each when the second factor is lost."""

    codes: Annotated[list[str] | None, Field(description="Shown this once; null in a replayed answer.")]


@endpoint(
    blueprint, "POST", "/v1/session/second-factor/confirm", roles=EVERYBODY, permission=(), body=CodeSent,
    answer=RecoveryCodes, status=201, secrets=("codes",), problems=(*_OWN, "code_wrong", "factor_missing"),
)  # fmt: skip
def confirm_second_factor(asked: Asked, body: CodeSent) -> tuple[RecoveryCodes, int]:
    """Confirm a second factor

    From now on signing in needs a code. Every other session ends.
    """
    need_user(asked)
    return RecoveryCodes(codes=list(asked.services.sign_in.confirm_factor(asked.principal, body.code))), 201


class FactorRemoval(Body):
    """Password and code."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"password": "correct horse battery staple", "code": "492039"}}
    )

    password: Password
    code: Code


@endpoint(
    blueprint, "POST", "/v1/session/second-factor/remove", roles=EVERYBODY, permission=(), body=FactorRemoval,
    status=204, problems=(*_OWN, "code_wrong"),
)  # fmt: skip
def remove_second_factor(asked: Asked, body: FactorRemoval) -> Response:
    """Remove one's second factor"""
    need_user(asked)
    address = asking_address(asked.services.proxies)
    asked.services.sign_in.remove_factor(asked.principal, body.password, body.code, address)
    return Response(status=204)


# --- Links by letter. ---


class NewPassword(Body):
    """A link's token, and the password that it lets set."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"token": "di_…", "password": "correct horse battery staple"}}
    )

    token: Annotated[str, Field(max_length=200)]
    password: Password


class ResetAsked(Body):
    """Who forgot his password."""

    model_config = ConfigDict(json_schema_extra={"example": {"email": "ann@example.com"}})

    email: Email


_SET = {204: "The password is set: sign in with it.", 404: "`link_invalid`.", 422: "The password is refused."}


@public(
    blueprint, "/v1/invitations/accept", method="POST", summary="Accept an invitation", body=NewPassword, answers=_SET
)
def accept_invitation(body: NewPassword) -> Response:
    services().links.complete(
        body.token, body.password, frozenset({"invitation"}), request_id=g.request_id,
        address=asking_address(services().proxies),
    )  # fmt: skip
    return Response(status=204)


@public(
    blueprint,
    "/v1/password-resets",
    method="POST",
    summary="Ask for a new password",
    body=ResetAsked,
    answers={202: "A letter is on its way if there is such a user.", **_THROTTLED},
)
def ask_password_reset(body: ResetAsked) -> Response:
    services().links.ask_reset(body.email, asking_address(services().proxies))
    return Response(status=202)


@public(
    blueprint,
    "/v1/password-resets/complete",
    method="POST",
    summary="Set a new password",
    body=NewPassword,
    answers=_SET,
)
def complete_password_reset(body: NewPassword) -> Response:
    services().links.complete(
        body.token, body.password, frozenset({"reset"}), request_id=g.request_id,
        address=asking_address(services().proxies),
    )  # fmt: skip
    return Response(status=204)
