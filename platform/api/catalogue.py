"""Every problem that the API answers with: its code, status and meaning.

Clients decide by the code, so one that was published never changes its meaning, and none is ever used for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One entry of the catalogue."""

    status: int
    title: str
    meaning: str


CATALOGUE: Mapping[str, Kind] = {
    "malformed_request": Kind(400, "Request cannot be read", "The body is not valid JSON, or the request is broken."),
    "idempotency_key_invalid": Kind(
        400, "Idempotency-Key is not usable", "It must have 1 to 255 visible ASCII characters, quoted or not."
    ),
    "cursor_invalid": Kind(
        400, "Cursor is not usable", "It was changed, is too old, or is for another list or other filters. Start anew."
    ),
    "credential_missing": Kind(401, "Key is missing", "Send `Authorization: Bearer <key>`."),
    "credential_invalid": Kind(401, "Key is not valid", "It is unknown, revoked or has expired."),
    "session_over": Kind(401, "Session is over", "It is unknown, ended, or was not used for too long. Sign in again."),
    "sign_in_refused": Kind(401, "Signing in was refused", "E-mail address, password or code is wrong."),
    "code_required": Kind(401, "A code is needed", "The password is right: send the code of the second factor too."),
    "csrf_failed": Kind(403, "Request may be forged", "A session's changes need `X-CSRF-Token`, from a page of ours."),
    "session_missing": Kind(403, "Nobody is signed in", "This is about who is signed in, and a key is no person."),
    "second_factor_required": Kind(
        403, "A second factor is needed", "The agency wants one. `POST /v1/session/second-factor` makes it."
    ),
    "role_insufficient": Kind(403, "Key may not do this", "Its role does not reach; each endpoint names its roles."),
    "permission_missing": Kind(403, "Permission is missing", "The key or user may not do this; the detail says what."),
    "address_not_allowed": Kind(403, "Not from this address", "The key is to be used from other networks only."),
    "listening_not_allowed": Kind(403, "Key may not hear recordings", "Such a key sees all but the sound of calls."),
    "origin_not_allowed": Kind(403, "Page is not the site's", "Its origin is none of the site's domains."),
    "not_found": Kind(404, "Not found", "No such thing, or not one that this key may see."),
    "link_invalid": Kind(404, "Link is not valid", "It is unknown, was used, or is over. Ask for another."),
    "recording_absent": Kind(404, "There is no recording", "`reason` says why the call has none."),
    "recording_pending": Kind(404, "Recording is not stored yet", "It is on its way from the node. Ask again later."),
    "method_not_allowed": Kind(405, "Method is not allowed", "`Allow` lists what this address takes."),
    "number_taken": Kind(409, "Number is in use", "The platform serves it already, perhaps for somebody else."),
    "number_released": Kind(409, "Number was released", "A released number does not change any more. Add it again."),
    "number_not_fit": Kind(409, "Number cannot be used so", "The detail says which one, what it is and must be."),
    "reference_taken": Kind(409, "Reference is in use", "It stands for another movement or usage. Choose another."),
    "pool_closed": Kind(409, "Pool is closed", "A closed pool does not change any more. Make another."),
    "node_is_there": Kind(409, "Node is not gone", "It was heard of a short while ago, and may bring records home."),
    "recording_key_in_use": Kind(
        409, "Key is in use", "It is the current one, or recordings are under it: make a new one and rewrap first."
    ),
    "no_draft": Kind(409, "There is no draft", "The site's rules are as they were published last. Draft some first."),
    "number_leaving": Kind(409, "Number is being given back", "Its carrier is being asked to take it."),
    "return_over": Kind(409, "Nothing to give back", "Its carrier has it, or it is in service again."),
    "carrier_name_taken": Kind(409, "Carrier name is in use", "Each carrier has a name of its own."),
    "carrier_refuses": Kind(409, "Carrier refuses", "It does not do what was asked; the detail says what it answered."),
    "order_not_open": Kind(409, "Order does not allow it", "Not in its state; the detail says which that is."),
    "trunk_name_taken": Kind(409, "Trunk name is in use", "Each trunk has a name of its own; records tell it."),
    "too_many_webhooks": Kind(409, "Too many webhooks", "An owner may have 50. Remove one that nobody needs."),
    "too_many_integrations": Kind(409, "Too many integrations", "A client may have 20. Remove one nobody needs."),
    "no_code_free": Kind(409, "No promo code is free", "The client has too many visits with a code. Ask again later."),
    "schedule_in_use": Kind(409, "Schedule is in use", "A flow keeps to it. Change the flow first."),
    "prompt_in_use": Kind(409, "Sound is in use", "A flow plays it. Change the flow first."),
    "delivery_under_way": Kind(409, "Message is on its way", "It is being sent at this moment. Ask again in a minute."),
    "idempotency_key_in_use": Kind(
        409, "First request is still running", "A request with this Idempotency-Key has not finished. Repeat it later."
    ),
    "idempotency_outcome_unknown": Kind(
        409,
        "First request never finished",
        "A request with this Idempotency-Key was cut short. Look whether its object exists, then use a new key.",
    ),
    "agency_ambiguous": Kind(409, "Several agencies", "`agencies` lists them: send the `agency_id` of one."),
    "email_taken": Kind(409, "E-mail address is in use", "The agency has a user with this address already."),
    "last_owner": Kind(409, "It is the last owner", "Make another owner first, or nobody could let people in."),
    "role_in_use": Kind(409, "Role is in use", "Users have it. Give them another first."),
    "role_name_taken": Kind(409, "Role name is in use", "Another role of the agency has this name."),
    "domain_taken": Kind(409, "Domain is in use", "Another agency's people open the console there."),
    "factor_missing": Kind(409, "No second factor", "There is none to confirm. Begin one first."),
    "key_over": Kind(409, "Key is over", "It is revoked or has expired. Make another instead of rotating it."),
    "version_mismatch": Kind(412, "It was changed meanwhile", "`If-Match` names another version. Read it again first."),
    "body_too_large": Kind(413, "Body is too large", "A body may have 1 MiB at most."),
    "address_too_long": Kind(414, "Address is too long", "A query may have 8,192 characters and 100 parameters."),
    "unsupported_media_type": Kind(415, "Media type is not supported", "Send the body as application/json."),
    "range_not_satisfiable": Kind(416, "Range is outside of the file", "`Content-Range` says how long the file is."),
    "validation_failed": Kind(422, "Request is not valid", "`errors` lists every fault with its place."),
    "idempotency_key_reused": Kind(
        422, "Idempotency-Key was used for another request", "Each new request needs a key of its own."
    ),
    "export_too_large": Kind(422, "Too many rows at once", "Let a job make the file: POST /v1/exports."),
    "code_wrong": Kind(422, "Code is wrong", "It is wrong, too old, or was used already."),
    "version_required": Kind(428, "If-Match is required", "Send the `ETag` of what you read: no change is lost then."),
    "too_many_tries": Kind(429, "Too many tries", "`Retry-After` says when to try again."),
    "too_many_requests": Kind(
        429, "Too many requests", "The key, or its agency, has used up its quota: `Retry-After` says for how long."
    ),
    "too_many_listeners": Kind(429, "Too many listeners", "A stream serves so many at a time. Ask again later."),
    "too_many_visits": Kind(429, "Too many pages", "One address opens more pages than a person does. Try later."),
    "internal_error": Kind(500, "Something went wrong here", "Not your fault. `request_id` helps us to find it."),
    "temporarily_unavailable": Kind(503, "Not available at the moment", "The same request may succeed after a moment."),
    "passwords_busy": Kind(503, "Too many sign in at once", "The same request may succeed after a moment."),
    "carrier_away": Kind(503, "Carrier does not answer", "The same request may succeed after a moment."),
    "not_ready": Kind(503, "Not ready", "`checks` says what is missing."),
}  # fmt: skip
