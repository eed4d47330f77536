"""`/v1/oauth/token`: an API key as an OAuth 2 client (client credentials, RFC 6749, 4.4), for partners whose systems
speak that. Authlib keeps to the protocol; ours is who a client is and what a token holds.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from apiflask import APIBlueprint
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientCredentialsGrant, ClientMixin, InvalidScopeError
from flask import Flask, Response, current_app
from pydantic import BaseModel, Field

from ..tenancy.errors import AddressRefused, InvalidKey
from ..tenancy.model import Principal
from ..tenancy.permissions import PERMISSIONS
from .access_tokens import LIFE_S, write_access_token
from .asking import asking_address
from .curl import FORM
from .endpoint import public, services

blueprint = APIBlueprint("oauth", __name__, tag="Sessions")

#: Where create_app puts the server.
SERVER = "dialtrace_oauth"


class KeyClient(ClientMixin):
    """An API key, as Authlib sees a client: `dt_<agency>_<key id>`, with the rest of the key as its secret."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self.principal: Principal | None = None

    def get_client_id(self) -> str:
        return self._client_id

    def get_default_redirect_uri(self) -> str:
        return ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return False

    def check_client_secret(self, client_secret: str) -> bool:
        try:
            token = f"{self._client_id}_{client_secret}"
            self.principal = services().tenancy.authenticate(token, asking_address(services().proxies))
        except (InvalidKey, AddressRefused):
            return False
        return True

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in {"client_secret_basic", "client_secret_post"}

    def check_response_type(self, response_type: str) -> bool:
        return False

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"

    def get_allowed_scope(self, scope: Collection[str] | str) -> str:
        """What of the wanted scope the key has; nothing wanted: all of it."""
        assert self.principal is not None, "the secret was checked before"
        wanted = scope.split() if isinstance(scope, str) else list(scope)
        wanted = wanted or sorted(self.principal.permissions)
        return " ".join(one for one in wanted if one in self.principal.permissions)


class _Grant(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


def install(app: Flask) -> None:
    """Makes the authorization server of an application."""
    server = AuthorizationServer(query_client=KeyClient, save_token=lambda token, request: None)
    app.config["OAUTH2_SCOPES_SUPPORTED"] = list(PERMISSIONS)
    server.init_app(app)
    server.register_grant(_Grant)
    server.register_token_generator("default", _new_token)  # type: ignore[arg-type]
    app.extensions[SERVER] = server


def _new_token(
    grant_type: str, client: KeyClient, user: Any = None, scope: str | None = None, **_: Any
) -> dict[str, Any]:
    principal = client.principal
    assert principal is not None, "the client was authenticated"
    given = client.get_allowed_scope(scope or "")
    if not given:
        raise InvalidScopeError
    token = write_access_token(services().secret_key, principal, given)
    return {"token_type": "Bearer", "access_token": token, "expires_in": LIFE_S, "scope": given}


class TokenAsked(BaseModel):
    """What the form holds. Client and secret may stand in `Authorization: Basic` instead."""

    grant_type: Literal["client_credentials"]
    client_id: Annotated[str | None, Field(default=None, description="The key's beginning: `dt_<agency>_<key id>`.")]
    client_secret: Annotated[str | None, Field(default=None, description="The rest of the key.")]
    scope: Annotated[
        str | None, Field(default=None, description="Permissions with blanks between. Left out: all that the key has.")
    ]


@public(
    blueprint,
    "/v1/oauth/token",
    method="POST",
    summary="An access token for an API key (OAuth 2, client credentials)",
    says=TokenAsked,
    said_as=(FORM,),
    example={"grant_type": "client_credentials", "scope": "calls.read"},
    refusals="application/json",
    answers={
        200: "`access_token`, `token_type`, `expires_in`, `scope`, as RFC 6749 has it.",
        400: "`error`, as RFC 6749 has it.",
        401: "`invalid_client`.",
    },
)
def create_access_token() -> Response:
    server: Any = current_app.extensions[SERVER]
    response: Response = server.create_token_response()
    return response
