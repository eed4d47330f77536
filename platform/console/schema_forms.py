"""Fields of a form from a JSON schema of the API: what an integration's settings and secrets are typed into. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .forms import Field
from .texts import N_

#: What members of integrations are called, and what has to be known of them; others as the API calls them.
KNOWN: Mapping[str, tuple[str, str]] = {
    "bot_token": (N_("Token of the bot"), N_("As @BotFather tells it when the bot is made.")),
    "chat_id": (N_("Chat"), N_("Its number, or the @name of a public channel.")),
    "calls": (N_("Which calls are told"), ""),
    "language": (N_("Language"), ""),
    "time_zone": (N_("Time zone"), N_("Such as Europe/London.")),
    "show_caller": (N_("Tell the caller's whole number"), ""),
    "api_url": (N_("Address of the API"), N_("Another one where a server of your own is used.")),
    "mode": (N_("Where calls go"), N_("auto: to the portal's telephony, and where it refuses that, to its CRM alone.")),
    "user_id": (N_("Responsible user"), N_("The number in the address of the profile.")),
    "users_by_target": (N_("Other responsible users"), N_("One a line: the target's id = the user's number.")),
    "show_card": (N_("Show a card while it rings"), ""),
    "create": (N_("Made of an unknown caller"), ""),
    "source_id": (N_("The portal's word for the source"), ""),
    "comment": (N_("Comment with source and landing page"), ""),
    "missed_task": (N_("Task for a missed call"), ""),
    "read_sales": (N_("Deals that are won become sales of their calls"), ""),
    "sold_stages": (N_("Stages at which a deal is sold"), N_("One a line; empty: the one that is called won there.")),
    "tags_by_stage": (N_("Tags by stage"), N_("One a line: the stage = the tag that its call gets.")),
    "portal_url": (N_("Address of the portal"), N_("For an application; a webhook's address has it already.")),
    "token_url": (N_("Where tokens are renewed"), ""),
    "webhook_url": (N_("Address of the incoming webhook"), N_("It is the secret itself, and is not shown again.")),
    "client_id": (N_("Id of the application"), ""),
    "client_secret": (N_("Secret of the application"), ""),
    "access_token": (N_("Access token"), N_("The last one; an old one will do.")),
    "refresh_token": (N_("Refresh token"), ""),
}


def fields_of(schema: Mapping[str, Any], above: str, *, is_new: bool) -> list[Field]:
    """One field for each member. ``above``: the member of the body that the schema is of; ``secrets`` are never shown,
    and what is left empty of them stays."""
    needed = set(schema.get("required", ()))
    return [_field(name, member, above, name in needed, is_new) for name, member in schema["properties"].items()]


def _field(name: str, member: Mapping[str, Any], above: str, is_needed: bool, is_new: bool) -> Field:
    is_secret = above == "secrets"
    label, help_text = KNOWN.get(name, (str(member.get("title", name)), str(member.get("description", ""))))
    default = member.get("default")
    return Field(
        name=f"{above}.{name}", label=label, help=help_text, kind="secret" if is_secret else kind_of(member),
        required=is_needed and (is_new or not is_secret), choices=tuple((one, one) for one in member.get("enum", ())),
        empty="omit" if is_new or is_secret else "null", value=_default(default) if is_new else "",
    )  # fmt: skip


def kind_of(member: Mapping[str, Any]) -> str:
    """Of a field."""
    if "enum" in member:
        return "choice"
    told = {one.get("type") for one in member.get("anyOf", ())} | {member.get("type")}
    for kind, field in (("boolean", "check"), ("integer", "number"), ("number", "decimal"), ("object", "pairs"),
                        ("array", "lines")):  # fmt: skip
        if kind in told:
            return field
    return "text"


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None or isinstance(value, dict | list) else str(value)
