"""`/v1/clients/{id}/hook-secret`: what signs the questions to a client's web hooks. For its agency's eyes only."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import Field

from ..decisions.model import HookSecret
from ..outgoing.signing import format_secret
from .auth import AGENCY, Asked
from .endpoint import endpoint
from .fields import Answer, Id, Moment

blueprint = APIBlueprint("hook_secrets", __name__, tag="Clients")


class HookSecretAnswer(Answer):
    """The secret that signs the questions to a client's web hooks (Standard Webhooks)."""

    client_id: Id
    secret: Annotated[
        str | None,
        Field(
            description="The key is what stands behind `whsec_`, decoded from base64. Null in a replayed answer.",
            examples=["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="],
        ),
    ]
    made_at: Moment
    previous_until: Annotated[
        Moment | None, Field(description="Until then the secret before this one signs every question too.")
    ]


def show(client_id: UUID, secret: HookSecret) -> HookSecretAnswer:
    return HookSecretAnswer(
        client_id=client_id,
        secret=format_secret(secret.key),
        made_at=secret.made_at,
        previous_until=secret.previous_until,
    )


@endpoint(
    blueprint, "GET", "/v1/clients/<uuid:client_id>/hook-secret", roles=AGENCY, permission="flows.write",
    answer=HookSecretAnswer,
)  # fmt: skip
def get_hook_secret(asked: Asked, client_id: UUID) -> HookSecretAnswer:
    """Read the secret of a client's web hooks

    Made the first time that anybody needs it.
    """
    asked.services.tenancy.get_client(asked.agency_id, client_id)
    return show(client_id, asked.services.hook_secrets.reveal(asked.agency_id, client_id))


@endpoint(
    blueprint, "POST", "/v1/clients/<uuid:client_id>/hook-secret", roles=AGENCY, answer=HookSecretAnswer, status=201,
    secrets=("secret",),
)  # fmt: skip
def rotate_hook_secret(asked: Asked, client_id: UUID) -> tuple[HookSecretAnswer, int]:
    """Make a new secret for a client's web hooks

    For 24 hours the old one signs every question too, so that nothing is refused while the receiver is changed over.
    Rotating again meanwhile ends the older one at once.
    """
    asked.services.tenancy.get_client(asked.agency_id, client_id)
    return show(client_id, asked.services.hook_secrets.rotate(asked.agency_id, client_id)), 201
